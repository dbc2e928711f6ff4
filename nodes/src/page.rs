//! The pull request's page and the run's report. Pure.
