//! Kind `test`: a candidate is judged.
