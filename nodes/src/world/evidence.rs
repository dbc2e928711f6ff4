//! Effect `evidence.gather`: what the repository says about the frames.
