//! Kind `generate`: a diagnosis becomes a candidate, or a lesson.
