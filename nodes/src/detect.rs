//! Kind `detect`: a log becomes an incident.
