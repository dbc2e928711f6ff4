//! SQLite's errors in words of ours.

use rusqlite::ErrorCode;

use crate::Fault;

/// What went wrong while doing `doing`, and what to do about it. Exit 6.
pub(super) fn sql(error: &rusqlite::Error, doing: &str) -> Fault {
    let (code, what, help) = match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            ("store.read_only", "it cannot be written", "mend its permissions, or name another with --store")
        }
        Some(ErrorCode::CannotOpen) => (
            "store.unusable",
            "its database cannot be opened",
            "name a directory that can be written with --store",
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ("store.corrupt", "its database is damaged", MEND)
        }
        Some(ErrorCode::DiskFull) => {
            ("store.full", "the disk is full", "make room and resume; what was committed is safe")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("store.busy", "another process holds its database", "wait for that process to end, then resume")
        }
        Some(ErrorCode::SystemIoFailure) => (
            "store.io",
            "reading or writing failed",
            "look at the disk and resume; what was committed is safe",
        ),
        _ => ("store.failed", "SQLite refused", "run the command again; what was committed is safe"),
    };
    Fault::new(code, 6, format!("cannot {doing}: {what} ({error})")).help(help)
}

/// What can be done about a damaged database.
const MEND: &str = "put a backup of runs.db back, or move it away to begin with an empty store";

/// The database is damaged, as `why` says. Exit 6.
pub(super) fn corrupt(why: &str) -> Fault {
    Fault::new("store.corrupt", 6, format!("its database is damaged: {why}")).help(MEND)
}
