//! What the history says of a file: its last commits, and who wrote a line when.

use std::path::Path;

use git2::{BlameOptions, Commit, Oid, Repository, Sort};

/// Most commits that are looked at.
const DEPTH: usize = 400;

/// The last commits up to `base` that changed one of `paths`, newest first, at most `most`: `<id> <date> <subject>`.
/// Merges are left out.
///
/// # Errors
/// When the history cannot be read.
pub(super) fn commits(
    repo: &Repository,
    base: Oid,
    paths: &[String],
    most: usize,
) -> Result<Vec<String>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TIME | Sort::TOPOLOGICAL)?;
    walk.push(base)?;
    let mut lines = Vec::new();
    for id in walk.take(DEPTH) {
        let commit = repo.find_commit(id?)?;
        if commit.parent_count() > 1 {
            continue;
        }
        // A shallow clone ends in a commit whose parent is not there.
        let parent = commit.parent(0).ok();
        let changed: Vec<&str> = paths
            .iter()
            .filter(|path| entry(&commit, path) != parent.as_ref().and_then(|parent| entry(parent, path)))
            .map(String::as_str)
            .collect();
        if !changed.is_empty() {
            lines.push(format!("{} ({})", headline(&commit), changed.join(", ")));
            if lines.len() == most {
                break;
            }
        }
    }
    Ok(lines)
}

/// The commit that last changed `line` (from 1) of `path` as of `base`: `<id> <date> <subject>`.
///
/// # Errors
/// When the file is not there, or the history cannot be read.
pub(super) fn blame(repo: &Repository, base: Oid, path: &str, line: usize) -> Result<String, git2::Error> {
    let mut options = BlameOptions::new();
    options.newest_commit(base).min_line(line).max_line(line).use_mailmap(false);
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TIME | Sort::TOPOLOGICAL)?;
    walk.push(base)?;
    if let Some(last) = walk.nth(DEPTH) {
        options.oldest_commit(last?);
    }
    let blame = repo.blame_file(Path::new(path), Some(&mut options))?;
    let hunk = blame.get_line(line).ok_or_else(|| git2::Error::from_str("the line is not there"))?;
    Ok(headline(&repo.find_commit(hunk.final_commit_id())?))
}

fn entry(commit: &Commit<'_>, path: &str) -> Option<Oid> {
    commit.tree().ok()?.get_path(Path::new(path)).ok().map(|entry| entry.id())
}

fn headline(commit: &Commit<'_>) -> String {
    let subject = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
    let id = commit.id().to_string();
    let id = id.get(..10).unwrap_or(&id);
    format!("{id} {} {}", date(commit.time().seconds()), crate::patch::prefix(&subject, 120))
}

/// The day in UTC as `2024-05-01`, from seconds since the Unix epoch.
fn date(seconds: i64) -> String {
    // Days since 0000-03-01, split into eras of 400 years: leap days fall at the end of each year then.
    let days = seconds.div_euclid(86_400).saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_right() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_700_000_000, "2023-11-14"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(date(seconds), day);
        }
    }
}
