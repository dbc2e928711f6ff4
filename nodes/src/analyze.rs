//! Kind `analyze`: evidence, then a typed diagnosis.
