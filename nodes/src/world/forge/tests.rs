use super::*;
use crate::effects::CommitRequest;
use crate::world::git::commit::tests::{Bench, FINGERPRINT};
use crate::world::git::tests::{commit_all, snapshot};

/// Commits and opens, as `pr` does.
fn propose(b: &Bench, request: &CommitRequest, page: &str) -> (OpenPullRequest, Pull) {
    let made = b.commit(request).unwrap();
    let open = OpenPullRequest {
        fingerprint: request.fingerprint.clone(),
        base: request.commit.clone(),
        branch: made.branch,
        head: made.head,
        title: "Fix it".to_owned(),
        page: b.blobs.put(page.as_bytes()).unwrap(),
        draft: true,
        time: request.time,
        kept: made.kept,
    };
    let pull = open_pull(&b.forge, &open, &b.blobs).unwrap();
    (open, pull)
}

fn state(b: &Bench, id: &str) -> PullState {
    b.forge.show(id).unwrap().0.state
}

/// Moves the person's branch to `commit`, as a fast-forward merge does.
fn merge(b: &Bench, commit: &str) {
    b.git().reference("refs/heads/main", commit.parse().unwrap(), true, "merge").unwrap();
}

#[test]
fn a_pull_request_is_opened_once() {
    let b = Bench::new();
    let (open, pull) = propose(&b, &b.first(), "the page");
    assert_eq!((pull.id.as_str(), pull.action.as_str(), pull.draft), ("ab12cd34", "opened", true));
    assert_eq!(reconcile_pull(&b.forge, &open).unwrap(), Some(pull.clone()));
    assert_eq!(open_pull(&b.forge, &open, &b.blobs).unwrap(), pull);
    let (view, page, comments) = b.forge.show("ab12cd34").unwrap();
    assert_eq!((page.as_str(), comments.len(), view.state), ("the page", 0, PullState::Open));
    assert_eq!((view.record.base_branch.as_str(), view.record.format), ("main", 1));
    assert_eq!(b.forge.list().unwrap().len(), 1);
    assert_eq!(std::fs::read_to_string(b.forge.page_path("ab12cd34")).unwrap(), "the page");
}

#[test]
fn killed_between_page_and_record_it_is_done_again() {
    let b = Bench::new();
    let (open, pull) = propose(&b, &b.first(), "the page");
    std::fs::remove_file(b.forge.page_path("ab12cd34").with_file_name("pull.json")).unwrap();
    assert_eq!(reconcile_pull(&b.forge, &open).unwrap(), None);
    assert!(b.forge.list().unwrap().is_empty());
    assert_eq!(open_pull(&b.forge, &open, &b.blobs).unwrap(), pull);
}

#[test]
fn a_further_fix_updates_it() {
    let b = Bench::new();
    propose(&b, &b.first(), "one");
    let (open, pull) = propose(&b, &b.other(), "two");
    assert_eq!((pull.id.as_str(), pull.action.as_str()), ("ab12cd34", "updated"));
    assert_eq!(pull.commit, open.head);
    assert_eq!(b.forge.show("ab12cd34").unwrap().1, "two");
    assert_eq!(b.forge.list().unwrap().len(), 1);
    assert_eq!(reconcile_pull(&b.forge, &open).unwrap(), Some(pull));
}

#[test]
fn where_a_person_committed_it_is_only_commented() {
    let b = Bench::new();
    let (_, first) = propose(&b, &b.first(), "one");
    let git = b.git();
    let top = git.find_commit(first.commit.parse().unwrap()).unwrap();
    let who = git2::Signature::now("Dana", "dana@example.com").unwrap();
    git.commit(Some("refs/heads/prunella/ab12cd34"), &who, &who, "polish", &top.tree().unwrap(), &[&top])
        .unwrap();
    let (open, pull) = propose(&b, &b.other(), "two");
    assert_eq!(pull.action, "commented");
    let (view, page, comments) = b.forge.show("ab12cd34").unwrap();
    assert_eq!((page.as_str(), comments), ("one", vec!["two".to_owned()]));
    assert_eq!(view.record.head, first.commit);
    assert_eq!(reconcile_pull(&b.forge, &open).unwrap(), Some(pull.clone()));
    assert_eq!(open_pull(&b.forge, &open, &b.blobs).unwrap(), pull);
}

#[test]
fn it_is_merged_when_its_base_branch_has_it() {
    let b = Bench::new();
    let (open, _) = propose(&b, &b.first(), "p");
    assert_eq!(state(&b, "ab12cd34"), PullState::Open);
    merge(&b, &open.head);
    assert_eq!(state(&b, "ab12cd34"), PullState::Merged);
    // Deleting a merged branch does not reject it.
    b.git().find_reference("refs/heads/prunella/ab12cd34").unwrap().delete().unwrap();
    let view = b.forge.show("ab12cd34").unwrap().0;
    assert_eq!((view.state, view.landed.as_str()), (PullState::Merged, open.head.as_str()));
    assert_eq!(b.forge.close("ab12cd34", "").unwrap_err().code, "forge.merged");
}

#[test]
fn a_branch_put_back_to_its_base_is_not_merged() {
    let b = Bench::new();
    propose(&b, &b.first(), "p");
    b.git().reference("refs/heads/prunella/ab12cd34", b.f.base.parse().unwrap(), true, "reset").unwrap();
    assert_eq!(state(&b, "ab12cd34"), PullState::Open);
}

#[test]
fn deleting_the_branch_closes_it_for_good() {
    let b = Bench::new();
    propose(&b, &b.first(), "p");
    b.git().find_reference("refs/heads/prunella/ab12cd34").unwrap().delete().unwrap();
    assert_eq!(state(&b, "ab12cd34"), PullState::Closed);
    // A run that is told `--again` makes another one; the closed one is not opened again.
    let (_, second) = propose(&b, &b.other(), "q");
    assert_eq!((second.id.as_str(), second.branch.as_str()), ("ab12cd34-2", "prunella/ab12cd34-2"));
    assert_eq!(second.action, "opened");
    assert_eq!(state(&b, "ab12cd34"), PullState::Closed);
    b.git().reference("refs/heads/prunella/ab12cd34", b.f.base.parse().unwrap(), true, "again").unwrap();
    assert_eq!(state(&b, "ab12cd34"), PullState::Closed, "it was written down");
    let found = b.forge.find(FINGERPRINT).unwrap();
    assert_eq!(found.iter().map(|p| p.record.id.as_str()).collect::<Vec<_>>(), ["ab12cd34", "ab12cd34-2"]);
}

#[test]
fn closing_by_command_keeps_the_branch_and_says_why() {
    let b = Bench::new();
    let (open, _) = propose(&b, &b.first(), "p");
    let view = b.forge.close("ab12cd34", "not the right place").unwrap();
    assert_eq!((view.state, view.record.closed.as_str()), (PullState::Closed, "not the right place"));
    assert_eq!(b.tip("prunella/ab12cd34").unwrap(), open.head);
    assert_eq!(b.forge.close("ab12cd34", "again").unwrap(), view);
    merge(&b, &open.head);
    assert_eq!(state(&b, "ab12cd34"), PullState::Merged, "a person merged it after all");
}

#[test]
fn two_fingerprints_that_begin_alike_do_not_share_a_branch() {
    let b = Bench::new();
    propose(&b, &b.first(), "p");
    let fingerprint = format!("ab12cd34{}", "0".repeat(16));
    let (_, pull) = propose(&b, &CommitRequest { fingerprint, ..b.other() }, "q");
    assert_eq!(pull.id, "ab12cd34-2");
}

#[test]
fn the_store_is_written_only_in_its_own_folder_and_whole() {
    let b = Bench::new();
    propose(&b, &b.first(), "p");
    let files: Vec<_> = snapshot(b.store.path()).into_keys().collect();
    let key = b.forge.key();
    assert_eq!(files, [format!("pulls/{key}/ab12cd34/page.md"), format!("pulls/{key}/ab12cd34/pull.json")]);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let b = Bench::new();
    propose(&b, &b.first(), "p");
    let file = b.forge.page_path("ab12cd34").with_file_name("pull.json");
    let newer = std::fs::read_to_string(&file).unwrap().replace("\"format\": 1", "\"format\": 2");
    std::fs::write(&file, &newer).unwrap();
    let error = b.forge.list().unwrap_err();
    assert_eq!((error.code.as_str(), error.exit), ("forge.format", 22));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
    std::fs::write(&file, "{").unwrap();
    let error = b.forge.list().unwrap_err();
    assert_eq!((error.code.as_str(), error.exit), ("forge.record", 6));
    assert!(error.message.contains("pull.json"));
}

#[test]
fn a_record_of_format_1_still_reads() {
    let b = Bench::new();
    let folder = b.forge.page_path("ab12cd34").parent().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    let record = r#"{"format":1,"id":"ab12cd34","fingerprint":"ab12cd34ef56","branch":"prunella/ab12cd34",
        "base":"0000000000000000000000000000000000000000","base_branch":"main",
        "head":"1111111111111111111111111111111111111111","title":"Fix it","draft":false,"opened":1,"updated":2,
        "closed":"no","page":"aa","comments":["bb"],"action":"commented"}"#;
    std::fs::write(folder.join("pull.json"), record).unwrap();
    let view = b.forge.show("ab12cd34").unwrap().0;
    assert_eq!((view.record.comments.len(), view.state), (1, PullState::Closed));
}

#[test]
fn ids_that_are_none_are_not_looked_for() {
    let b = Bench::new();
    for id in ["", "..", "../x", "a/b", "nope"] {
        assert_eq!(b.forge.show(id).unwrap_err().code, "forge.no_pull", "{id}");
    }
}

#[test]
fn a_worktree_shares_the_pull_requests_of_its_repository() {
    let b = Bench::new();
    propose(&b, &b.first(), "p");
    let parent = tempfile::tempdir().unwrap();
    b.git().worktree("side", &parent.path().join("side"), None).unwrap();
    let repo = std::sync::Arc::new(crate::world::git::GitRepo::open(&parent.path().join("side")).unwrap());
    let side = LocalForge::new(b.store.path(), repo);
    let hash = |key: &str| key.rsplit_once('-').unwrap().1.to_owned();
    assert_eq!(hash(side.key()), hash(b.forge.key()));
    commit_all(&b.git(), "nothing");
}
