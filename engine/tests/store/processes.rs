//! Several processes on one store, for real: each is this test binary, started again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use prunella_engine::format;
use prunella_engine::store::{Durability, Store};

use crate::both::{create, heard, said};

const DIR: &str = "PRUNELLA_TEST_STORE_DIR";
const TASK: &str = "PRUNELLA_TEST_STORE_TASK";

fn say(word: &str) {
    println!("{word}");
    std::io::stdout().flush().unwrap();
}

/// The other process: does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let task = std::env::var(TASK).unwrap();
    let store = match Store::open(Path::new(&dir)) {
        Ok(store) => store,
        Err(fault) => return say(&format!("FAULT {} {} {}", fault.exit, fault.code, fault.message)),
    };
    match task.as_str() {
        "open" => {}
        "hold" => {
            let (mut owner, _) = store.own("a").unwrap();
            owner.append(&[said("written")], None, Durability::Process, 1).unwrap();
            owner.append(&[said("held back")], None, Durability::Memory, 1).unwrap();
            say("HOLDS");
            loop {
                std::thread::park();
            }
        }
        "write" => {
            let found =
                store.own("a").map(|(mut owner, _)| owner.append(&[said("x")], None, Durability::Disk, 1));
            if let Err(fault) | Ok(Err(fault)) = found {
                return say(&format!("FAULT {} {}", fault.exit, fault.code));
            }
        }
        run => {
            let (mut owner, _) = store.own(run).unwrap();
            for n in 0..150 {
                owner.append(&[said(format!("{run} {n}"))], None, Durability::Disk, n).unwrap();
            }
        }
    }
    say("DONE");
}

struct Other {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(dir: &Path, task: &str) -> Self {
        Self::of(Command::new(std::env::current_exe().unwrap()), dir, task)
    }

    fn of(mut program: Command, dir: &Path, task: &str) -> Self {
        let mut child = program
            .args(["processes::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIR, dir)
            .env(TASK, task)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it says next, from its first capital letter on.
    fn word(&mut self) -> String {
        let words = ["HOLDS", "DONE", "FAULT"];
        let heard =
            |line: String| words.iter().find_map(|word| line.find(word).map(|at| line[at..].to_owned()));
        self.lines.by_ref().map(Result::unwrap).find_map(heard).expect("the other process said nothing")
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn finish(mut self) -> String {
        let word = self.word();
        assert!(self.child.wait().unwrap().success());
        word
    }
}

#[test]
fn a_run_that_another_process_owns_is_taken_up_as_soon_as_that_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "a", "g", 1);
    let mut other = Other::start(dir.path(), "hold");
    assert_eq!(other.word(), "HOLDS");
    let fault = store.own("a").unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("run.owned", 7));
    assert!(store.is_live("a").unwrap());
    assert_eq!(store.delete(&["a"]).unwrap_err().exit, 7);
    assert_eq!(store.gc(&[], u64::MAX).unwrap().locks, 0);
    assert_eq!(Other::start(dir.path(), "write").finish(), "FAULT 7 run.owned");
    other.kill();
    assert!(!store.is_live("a").unwrap());
    let (mut owner, _) = store.own("a").unwrap();
    owner.append(&[said("went on")], None, Durability::Disk, 1).unwrap();
    drop(owner);
    assert_eq!(heard(&store, "a"), ["written", "went on"]);
    assert_eq!(std::fs::read_dir(dir.path().join("locks")).unwrap().count(), 0);
}

#[test]
fn processes_write_to_one_store_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let runs = ["r0", "r1", "r2"];
    for run in runs {
        create(&store, run, "g", 1);
    }
    let others: Vec<Other> = runs.iter().map(|run| Other::start(dir.path(), run)).collect();
    for other in others {
        assert_eq!(other.finish(), "DONE");
    }
    for run in runs {
        let expected: Vec<String> = (0..150).map(|n| format!("{run} {n}")).collect();
        assert_eq!(heard(&store, run), expected);
    }
    assert!(store.verify(None).unwrap().is_empty());
}

/// A store of format 1 with this many more records of noise than its fixture has.
fn large_first_format(records: u32) -> tempfile::TempDir {
    let dir = crate::fixtures::copy_of(1);
    let mut db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    let tx = db.transaction().unwrap();
    for n in 0..records {
        tx.execute("INSERT INTO records VALUES (99, ?1, zeroblob(32), randomblob(1000))", [n]).unwrap();
    }
    tx.commit().unwrap();
    dir
}

fn found_format(dir: &Path) -> u32 {
    let db = rusqlite::Connection::open(dir.join("runs.db")).unwrap();
    let text: String =
        db.query_row("SELECT value FROM meta WHERE key = 'format'", [], |row| row.get(0)).unwrap();
    text.parse().unwrap()
}

fn count(dir: &Path) -> u32 {
    let db = rusqlite::Connection::open(dir.join("runs.db")).unwrap();
    db.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap()
}

#[test]
fn processes_that_migrate_at_the_same_time_migrate_once() {
    let dir = large_first_format(3000);
    let before = count(dir.path());
    let others: Vec<Other> = (0..3).map(|_| Other::start(dir.path(), "open")).collect();
    let store = Store::open(dir.path()).unwrap();
    for other in others {
        assert_eq!(other.finish(), "DONE");
    }
    assert_eq!((found_format(dir.path()), count(dir.path())), (format::STORE, before));
    assert_eq!(store.list().unwrap().len(), 3);
}

#[test]
fn a_process_killed_while_it_migrates_leaves_the_old_store() {
    let mut killed_within = 0;
    for at in [1, 1 << 20, 4 << 20, 12 << 20] {
        let dir = large_first_format(12_000);
        let before = count(dir.path());
        let mut other = Other::start(dir.path(), "open");
        let log = dir.path().join("runs.db-wal");
        // Until so much of it is written, or it is through.
        while std::fs::metadata(&log).map_or(0, |found| found.len()) < at
            && other.child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        other.kill();
        let format = found_format(dir.path());
        killed_within += u32::from(format == 1);
        assert_eq!(count(dir.path()), before, "killed at {at}");
        // Whoever comes next migrates it.
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((found_format(dir.path()), count(dir.path())), (format::STORE, before));
        assert_eq!(store.list().unwrap().len(), 3);
    }
    assert!(killed_within > 0);
}

#[test]
fn a_migration_that_fails_leaves_the_old_store() {
    let dir = crate::fixtures::copy_of(1);
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    let dump = || {
        let mut all = Vec::new();
        for table in ["runs", "records", "blobs", "claims", "meta", "sqlite_schema"] {
            let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                all.extend((0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).unwrap()));
            }
        }
        all
    };
    // In the way of the last of the new tables.
    db.execute_batch("CREATE TABLE snapshots (x)").unwrap();
    let before = dump();
    let fault = Store::open(dir.path()).unwrap_err();
    assert_eq!(fault.exit, 6, "{fault}");
    assert!(fault.message.contains("format 1 to 3"), "{}", fault.message);
    assert!(dump() == before);
    // Out of the way again.
    db.execute_batch("DROP TABLE snapshots").unwrap();
    drop(db);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!((found_format(dir.path()), store.list().unwrap().len()), (format::STORE, 3));
}

#[test]
fn a_store_whose_run_is_at_work_in_an_earlier_program_is_not_migrated() {
    let dir = crate::fixtures::copy_of(1);
    std::fs::create_dir(dir.path().join("locks")).unwrap();
    let lock = std::fs::File::create(dir.path().join("locks/6a7yyxg09gek")).unwrap();
    lock.lock().unwrap();
    let fault = Store::open(dir.path()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("store.busy", 6));
    assert!(fault.message.contains("run 6a7yyxg09gek is at work"), "{}", fault.message);
    assert_eq!(found_format(dir.path()), 1);
    drop(lock);
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(found_format(dir.path()), format::STORE);
}

#[test]
fn a_database_that_another_process_holds_is_busy() {
    let dir = crate::fixtures::copy_of(1);
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Ten seconds of patience.
    let fault = Store::open(dir.path()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("store.busy", 6));
    assert!(fault.help.is_some());
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(found_format(dir.path()), 1);
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(found_format(dir.path()), format::STORE);
}

#[test]
fn a_migrated_store_is_as_a_new_one() {
    let migrated = crate::fixtures::copy_of(1);
    drop(Store::open(migrated.path()).unwrap());
    let new = tempfile::tempdir().unwrap();
    drop(Store::open(new.path()).unwrap());
    let schema = |dir: &Path| {
        let db = rusqlite::Connection::open(dir.join("runs.db")).unwrap();
        let mut statement =
            db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").unwrap();
        let rows = statement.query_map([], |row| {
            let sql: Option<String> = row.get(2)?;
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, sql))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(schema(migrated.path()), schema(new.path()));
    assert!(Store::open(migrated.path()).unwrap().verify(None).unwrap().is_empty());
}

/// Permissions do not bind root, so root lets somebody else try.
#[cfg(unix)]
#[test]
fn a_store_that_may_not_be_written_says_so_and_stays() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let outside = tempfile::tempdir().unwrap();
    let dir = outside.path().join("store");
    let store = Store::open(&dir).unwrap();
    create(&store, "a", "g", 1);
    drop(store);
    let root = std::fs::metadata(&dir).unwrap().uid() == 0;
    let program = outside.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(outside.path(), 0o755);
    mode(&program, 0o755);
    let ask = |task: &str| {
        let mut command = Command::new(&program);
        if root {
            command.uid(65534).gid(65534);
        }
        Other::of(command, &dir, task).finish()
    };
    let before = std::fs::read(dir.join("runs.db")).unwrap();
    let all = [dir.join("runs.db"), dir.join("locks"), dir.clone()];
    // Nothing may be written: neither the database nor what SQLite keeps beside it.
    all.iter().for_each(|path| mode(path, 0o555));
    let said = ask("write");
    assert!(said.starts_with("FAULT 6 store."), "{said}");
    // The folder may be written, the database not.
    mode(&dir, 0o777);
    mode(&dir.join("locks"), 0o777);
    let said = ask("write");
    assert!(said.starts_with("FAULT 6 store.read_only"), "{said}");
    // The database may be written and no lock be made.
    mode(&dir.join("runs.db"), 0o666);
    mode(&dir.join("locks"), 0o555);
    let said = ask("write");
    assert!(said.starts_with("FAULT 6 store.unusable"), "{said}");
    assert!(std::fs::read(dir.join("runs.db")).unwrap() == before);
    mode(&dir.join("locks"), 0o777);
    // Whoever could only read the database made these, and with its permissions.
    for beside in ["runs.db-wal", "runs.db-shm"] {
        if dir.join(beside).exists() {
            mode(&dir.join(beside), 0o666);
        }
    }
    assert_eq!(ask("write"), "DONE");
    all.iter().for_each(|path| mode(path, 0o755));
    let store = Store::open(&dir).unwrap();
    assert_eq!(heard(&store, "a"), ["x"]);
}
