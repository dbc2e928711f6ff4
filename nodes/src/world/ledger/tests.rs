use super::*;
use crate::world::forge::open_pull;
use crate::world::git::commit::tests::{Bench, FINGERPRINT};
use crate::world::git::tests::commit_all;

const RUN: &str = "r-new";

fn ask(b: &Bench, claims: &MemoryClaims, commit: &str) -> Known {
    let request = LookupRequest {
        commit: commit.to_owned(),
        fingerprints: vec![FINGERPRINT.to_owned(), "0".repeat(24)],
    };
    let mut answer = lookup(&b.repo, &b.forge, claims, b.forge.key(), RUN, &request).unwrap();
    assert_eq!(answer.known.pop().unwrap(), Known::default(), "nothing is known of the other one");
    answer.known.pop().unwrap()
}

/// Opens a pull request; returns its last commit.
fn propose(b: &Bench, run: &str) -> String {
    let request = if run == "r1" { b.first() } else { b.other() };
    let made = b.commit(&request).unwrap();
    let open = crate::effects::OpenPullRequest {
        fingerprint: FINGERPRINT.to_owned(),
        base: b.f.base.clone(),
        branch: made.branch,
        head: made.head.clone(),
        time: if run == "r1" { 100 } else { 200 },
        ..Default::default()
    };
    open_pull(&b.forge, &open, &b.blobs).unwrap();
    made.head
}

fn main_to(b: &Bench, commit: &str) {
    b.git().reference("refs/heads/main", commit.parse().unwrap(), true, "merge").unwrap();
}

#[test]
fn an_incident_nobody_has_seen_is_new() {
    let b = Bench::new();
    assert_eq!(ask(&b, &MemoryClaims::default(), &b.f.base), Known::default());
}

#[test]
fn open_then_rejected_is_known() {
    let (b, claims) = (Bench::new(), MemoryClaims::default());
    propose(&b, "r1");
    assert_eq!(ask(&b, &claims, &b.f.base).why, "open pull request ab12cd34 (branch prunella/ab12cd34)");
    b.forge.close("ab12cd34", "wrong place").unwrap();
    let why = ask(&b, &claims, &b.f.base).why;
    assert_eq!(why, "rejected pull request ab12cd34 (branch prunella/ab12cd34): wrong place");
}

#[test]
fn a_deleted_branch_is_a_rejection() {
    let (b, claims) = (Bench::new(), MemoryClaims::default());
    propose(&b, "r1");
    b.git().find_reference("refs/heads/prunella/ab12cd34").unwrap().delete().unwrap();
    assert!(ask(&b, &claims, &b.f.base).why.ends_with("its branch was deleted"));
}

#[test]
fn a_merged_fix_is_known_where_the_base_lacks_it_and_a_regression_where_it_has_it() {
    let (b, claims) = (Bench::new(), MemoryClaims::default());
    let fix = propose(&b, "r1");
    main_to(&b, &fix);
    let known = ask(&b, &claims, &b.f.base);
    assert_eq!(known.why, "merged fix ab12cd34 (branch prunella/ab12cd34) is not in the base");
    assert!(!known.regression);
    for base in [fix.clone(), commit_all(&b.git(), "later")] {
        assert_eq!(ask(&b, &claims, &base), Known { why: String::new(), regression: true });
    }
}

#[test]
fn the_last_word_after_a_merge_counts() {
    let (b, claims) = (Bench::new(), MemoryClaims::default());
    let fix = propose(&b, "r1");
    main_to(&b, &fix);
    // Broken again, a second fix, rejected: known. It is the later word.
    propose(&b, "r2");
    assert!(ask(&b, &claims, &fix).why.starts_with("open pull request ab12cd34-2"));
    b.forge.close("ab12cd34-2", "no").unwrap();
    assert!(ask(&b, &claims, &fix).why.starts_with("rejected pull request ab12cd34-2"));
}

#[test]
fn a_live_run_is_known_and_an_ended_one_is_not() {
    let (b, claims) = (Bench::new(), MemoryClaims::default());
    let key = claim_key(b.forge.key(), FINGERPRINT);
    claims.claim(&key, "r1").unwrap();
    assert_eq!(ask(&b, &claims, &b.f.base).why, "run r1 is at work on it");
    claims.end("r1");
    assert_eq!(ask(&b, &claims, &b.f.base), Known::default(), "an unhealed run is never known");
    claims.take_over(&key, "r1", RUN).unwrap();
    assert_eq!(ask(&b, &claims, &b.f.base), Known::default(), "our own claim is no reason to stop");
}

#[test]
fn one_run_gets_the_claim_and_a_dead_ones_is_taken_over() {
    let claims = MemoryClaims::default();
    let request = ClaimRequest { fingerprint: FINGERPRINT.to_owned() };
    let claim = |run: &str| claim(&claims, "repo", run, &request).unwrap().owner;
    assert_eq!(reconcile_claim(&claims, "repo", "r1", &request).unwrap(), None);
    assert_eq!((claim("r1"), claim("r1"), claim("r2")), ("r1".into(), "r1".into(), "r1".into()));
    assert_eq!(reconcile_claim(&claims, "repo", "r1", &request).unwrap().unwrap().owner, "r1");
    assert_eq!(reconcile_claim(&claims, "repo", "r2", &request).unwrap(), None);
    claims.end("r1");
    assert_eq!((claim("r2"), claim("r3")), ("r2".into(), "r2".into()));
    let key = claim_key("repo", FINGERPRINT);
    assert_eq!(claims.take_over(&key, "r1", "r4").unwrap(), "r2", "too late");
    claims.release(&key, "r4").unwrap();
    assert_eq!(claims.owner(&key).unwrap().unwrap(), "r2");
    claims.release(&key, "r2").unwrap();
    assert_eq!(claims.owner(&key).unwrap(), None);
}
