//! Kind `reproduce`: a test that fails because of the incident.
