use super::*;
use crate::world::git::GitRepo;
use crate::world::locate::scratch::repository;

const CART: &str = "TAX = 1\n\n\ndef total(items):\n    prices = load(items)\n    return prices[items] + TAX\n\n\nclass Cart:\n    def add(self, item):\n        self.items[item] += 1\n";

fn frame(file: &str, line: u64, function: &str, code: &str) -> Frame {
    Frame { file: file.into(), line, function: function.into(), code: code.into(), ..Frame::default() }
}

fn map(files: &[(&str, &str)], frames: Vec<Frame>) -> (Vec<Option<(String, u64)>>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(dir.path(), files);
    let repo = GitRepo::open(dir.path()).unwrap();
    let mut response = locate(&repo, &LocateRequest { commit, stacks: vec![frames] }).unwrap();
    let stack = response.stacks.remove(0);
    let places = stack
        .into_iter()
        .map(|frame| frame.path.map(|path| (path.0, frame.repo_line.unwrap_or(0))))
        .collect();
    (places, response.drift.remove(0))
}

fn one(files: &[(&str, &str)], frame: Frame) -> Option<(String, u64)> {
    map(files, vec![frame]).0.remove(0)
}

#[test]
fn from_wherever_it_ran() {
    let files = [("src/shop/cart.py", CART), ("README.md", "")];
    for file in [
        "/srv/app/src/shop/cart.py",
        "/var/task/shop/cart.py",
        "/usr/lib/python3.11/site-packages/shop/cart.py",
        "C:\\app\\shop\\cart.py",
        "shop/cart.py",
    ] {
        let found = one(&files, frame(file, 6, "total", "return prices[items] + TAX"));
        assert_eq!(found, Some(("src/shop/cart.py".to_owned(), 6)), "{file}");
    }
}

#[test]
fn never_the_standard_library_or_another_package() {
    let files = [("json/decoder.py", CART), ("cart.py", CART), ("utils/cart.py", CART)];
    let code = "return prices[items] + TAX";
    for file in [
        "/usr/lib/python3.11/json/decoder.py",
        "/usr/local/lib/python3.11/cart.py",
        "C:\\Python311\\Lib\\json\\decoder.py",
        "/x/lib/python3.11/site-packages/other/utils/cart.py",
        "<frozen importlib._bootstrap>",
        "<string>",
    ] {
        assert_eq!(one(&files, frame(file, 6, "total", code)), None, "{file}");
    }
}

#[test]
fn the_middle_of_a_package_is_not_its_top() {
    let files = [("shop/__init__.py", ""), ("shop/models/base.py", CART)];
    let file = "/var/task/django/db/models/base.py";
    assert_eq!(one(&files, frame(file, 6, "total", "return self.save()")), None);
    assert!(one(&files, frame("/var/task/shop/models/base.py", 6, "total", "return self.save()")).is_some());
}

#[test]
fn a_name_alone_needs_function_and_text() {
    let files = [("utils.py", CART)];
    let code = "return prices[items] + TAX";
    assert!(one(&files, frame("/srv/utils.py", 6, "total", code)).is_some());
    assert_eq!(one(&files, frame("/srv/utils.py", 6, "other", code)), None);
    assert_eq!(one(&files, frame("/srv/utils.py", 6, "total", "return 1 + something")), None);
    assert_eq!(one(&files, frame("/srv/utils.py", 6, "total", "")), None);
    let edited = "return prices[items] + TAX + 1";
    assert!(one(&files, frame("/srv/utils.py", 6, "total", edited)).is_some());
    // Another frame of the same file speaks for this one.
    let (places, _) = map(
        &files,
        vec![frame("/srv/utils.py", 6, "total", code), frame("/srv/utils.py", 9, "add", "gone()")],
    );
    assert!(places.iter().all(Option::is_some));
}

#[test]
fn several_of_a_name_are_told_apart_or_left_alone() {
    let other = CART.replace("TAX", "FEE");
    let files =
        [("a/shop/cart.py", CART), ("b/shop/cart.py", other.as_str()), ("c/shop/cart.py", other.as_str())];
    let told = one(&files, frame("/srv/shop/cart.py", 6, "total", "return prices[items] + TAX"));
    assert_eq!(told, Some(("a/shop/cart.py".to_owned(), 6)));
    assert_eq!(one(&files, frame("/srv/shop/cart.py", 6, "total", "return prices[items] + FEE")), None);
    assert!(one(&files, frame("/srv/b/shop/cart.py", 6, "total", "return prices[items] + FEE")).is_some());
}

#[test]
fn lines_move_and_drift_is_said() {
    let moved = format!("import x\n\nreturn_prices = 0\n{CART}");
    let files = [("shop/cart.py", moved.as_str())];
    let code = "return prices[items] + TAX";
    assert_eq!(one(&files, frame("/srv/shop/cart.py", 6, "total", code)).unwrap().1, 9);
    let (places, drift) =
        map(&files, vec![frame("/srv/shop/cart.py", 6, "total", "return prices[items] - TAX")]);
    assert_eq!(places[0].as_ref().unwrap().1, 9);
    assert_eq!(drift.len(), 1);
    assert!(
        drift[0]
            .starts_with("shop/cart.py: the trace quotes `return prices[items] - TAX` in total at line 6")
    );
    let (places, _) = map(&files, vec![frame("/srv/shop/cart.py", 600, "total", "")]);
    assert_eq!(places[0].as_ref().unwrap().1, 7);
}
