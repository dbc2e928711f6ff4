//! Effect `frames.locate`: frames become files of the repository.
