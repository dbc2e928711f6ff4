//! Kind `pr`: a branch, two commits, a pull request with its evidence.
