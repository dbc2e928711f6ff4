//! The Python modules of a repository, and what they have at their top level.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::{Node, Parser};

/// A source file as a module.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its file.
    pub(super) path: String,
    /// Its dotted name as an importer writes it.
    pub(super) name: String,
    /// It is an `__init__.py`.
    pub(super) is_package: bool,
    /// It is a test, an example or a script: nothing to import from.
    pub(super) is_test: bool,
    /// Functions, classes and variables of its top level; of a class, its methods.
    defined: BTreeMap<String, BTreeSet<String>>,
    /// What it imports, anywhere in it: the name that is bound, and the statement that binds it, absolute.
    imports: BTreeMap<String, String>,
    /// The names that its top level imports.
    top: BTreeSet<String>,
}

impl Module {
    /// Whether its top level defines `name`.
    pub(super) fn defines(&self, name: &str) -> bool {
        self.defined.contains_key(name)
    }

    /// Whether its top level imports `name`.
    pub(super) fn passes_on(&self, name: &str) -> bool {
        self.top.contains(name)
    }

    /// Whether `class` has a method of that name.
    pub(super) fn class_has(&self, class: &str, method: Option<&str>) -> bool {
        method.is_some_and(|method| self.defined.get(class).is_some_and(|methods| methods.contains(method)))
    }

    /// The statement by which it imports `name`.
    pub(super) fn imports_of(&self, name: &str) -> Option<&str> {
        self.imports.get(name).map(String::as_str)
    }
}

/// Parses `sources` (path, text); `files` are all files of the commit, which say what is a package; `subfolder` is where
/// the project is below the top.
pub(super) fn modules(files: &[String], sources: &[(String, String)], subfolder: &str) -> Vec<Module> {
    let packages: BTreeSet<&str> =
        files.iter().filter_map(|path| path.strip_suffix("/__init__.py")).collect();
    let mut parser = Parser::new();
    if parser.set_language(&tree_sitter_python::LANGUAGE.into()).is_err() {
        return Vec::new();
    }
    let mut modules: Vec<Module> = Vec::new();
    for (path, text) in sources {
        let Some(tree) = parser.parse(text, None) else { continue };
        let mut module = named(path, &packages, subfolder);
        scan(&mut module, tree.root_node(), text);
        modules.push(module);
    }
    // Files that hold none of the names are modules all the same.
    let read: BTreeSet<&str> = sources.iter().map(|(path, _)| path.as_str()).collect();
    for path in files.iter().filter(|path| path.ends_with(".py")) {
        if !read.contains(path.as_str()) {
            modules.push(named(path, &packages, subfolder));
        }
    }
    modules
}

fn named(path: &str, packages: &BTreeSet<&str>, subfolder: &str) -> Module {
    let stem = path.strip_suffix(".py").unwrap_or(path);
    let (dir, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    let is_package = file == "__init__";
    // The topmost folder of the unbroken row of packages that the file is in.
    let mut top = dir;
    while let Some((above, _)) = top.rsplit_once('/') {
        if !packages.contains(above) {
            break;
        }
        top = above;
    }
    let inside = if packages.contains(dir) {
        let root = top.rsplit_once('/').map_or("", |(root, _)| root);
        stem[root.len()..].trim_start_matches('/')
    } else {
        // No package: a module at a source root, or one of a namespace package.
        let below = stem.strip_prefix(subfolder).and_then(|below| below.strip_prefix('/')).unwrap_or(stem);
        ["src/", "lib/"].iter().find_map(|root| below.strip_prefix(root)).unwrap_or(below)
    };
    let name = inside.strip_suffix("/__init__").unwrap_or(inside).replace('/', ".");
    let is_test = path.split('/').any(|part| {
        matches!(part, "tests" | "test" | "testing" | "docs" | "doc" | "examples" | "example" | "benchmarks")
            || part.starts_with("test_")
            || part.ends_with("_test.py")
            || matches!(part, "setup.py" | "conftest.py" | "test.py" | "tests.py" | "noxfile.py")
    });
    Module { path: path.to_owned(), name, is_package, is_test, ..Module::default() }
}

/// Collects what the file defines and imports.
fn scan(module: &mut Module, root: Node<'_>, text: &str) {
    let of = |node: Node<'_>| text.get(node.byte_range()).unwrap_or_default().to_owned();
    // Each node with whether it stands at the top level, in blocks of `if` and `try` too.
    let mut open = vec![(root, true)];
    while let Some((node, top)) = open.pop() {
        let field = |name| node.child_by_field_name(name);
        let mut inner = top;
        match node.kind() {
            "function_definition" | "class_definition" => {
                if top && let Some(name) = field("name") {
                    module.defined.insert(of(name), methods(node, text));
                }
                inner = false;
            }
            "assignment" if top => {
                if let Some(left) = field("left").filter(|left| left.kind() == "identifier") {
                    module.defined.entry(of(left)).or_default();
                }
            }
            "import_statement" | "import_from_statement" => import(module, node, top, text),
            _ => {}
        }
        let mut cursor = node.walk();
        let children: Vec<_> = node.named_children(&mut cursor).collect();
        open.extend(children.into_iter().rev().map(|child| (child, inner)));
    }
}

/// The names of the classes that the functions called `function` raise by calling them; `errors.Bad(…)` counts as `Bad`.
pub(super) fn raised(text: &str, function: &str) -> Vec<String> {
    let mut parser = Parser::new();
    let tree = match parser.set_language(&tree_sitter_python::LANGUAGE.into()) {
        Ok(()) => parser.parse(text, None),
        Err(_) => None,
    };
    let Some(tree) = tree else { return Vec::new() };
    let of = |node: Node<'_>| text.get(node.byte_range()).unwrap_or_default();
    let mut names = Vec::new();
    // Each node with whether it is in the function.
    let mut open = vec![(tree.root_node(), false)];
    while let Some((node, mut inside)) = open.pop() {
        if node.kind() == "function_definition" {
            inside |= node.child_by_field_name("name").is_some_and(|name| of(name) == function);
        }
        if inside
            && node.kind() == "raise_statement"
            && let Some(call) = node.named_child(0).filter(|call| call.kind() == "call")
            && let Some(callee) = call.child_by_field_name("function")
        {
            let name = of(callee).rsplit('.').next().unwrap_or_default();
            if name.starts_with(char::is_uppercase) && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                names.push(name.to_owned());
            }
        }
        let mut cursor = node.walk();
        let children: Vec<_> = node.named_children(&mut cursor).collect();
        open.extend(children.into_iter().map(|child| (child, inside)));
    }
    names
}

/// The names of the functions in the body of a class.
fn methods(class: Node<'_>, text: &str) -> BTreeSet<String> {
    let Some(body) = class.child_by_field_name("body").filter(|_| class.kind() == "class_definition") else {
        return BTreeSet::new();
    };
    let mut cursor = body.walk();
    body.named_children(&mut cursor)
        .filter_map(|child| {
            let definition = if child.kind() == "decorated_definition" {
                child.child_by_field_name("definition")?
            } else {
                child
            };
            let name = definition.child_by_field_name("name")?;
            text.get(name.byte_range()).map(str::to_owned)
        })
        .collect()
}

fn import(module: &mut Module, node: Node<'_>, top: bool, text: &str) {
    let of = |node: Node<'_>| {
        text.get(node.byte_range()).unwrap_or_default().split_whitespace().collect::<String>()
    };
    let from = node.child_by_field_name("module_name");
    let source = match from {
        Some(from) => match absolute(module, &of(from)) {
            Some(source) => Some(source),
            None => return,
        },
        None => None,
    };
    let mut cursor = node.walk();
    let names: Vec<_> = node.children_by_field_name("name", &mut cursor).collect();
    for name in names {
        let (what, alias) = match name.kind() {
            "aliased_import" => (name.child_by_field_name("name"), name.child_by_field_name("alias")),
            _ => (Some(name), None),
        };
        let Some(what) = what.map(of) else { continue };
        let alias = alias.map(of).filter(|alias| *alias != what);
        let bound = match (&alias, &source) {
            (Some(alias), _) => alias.clone(),
            (None, Some(_)) => what.clone(),
            // `import a.b` binds `a`.
            (None, None) => what.split('.').next().unwrap_or(&what).to_owned(),
        };
        let tail = alias.map(|alias| format!(" as {alias}")).unwrap_or_default();
        let statement = match &source {
            Some(source) if source == "__future__" => continue,
            Some(source) => format!("from {source} import {what}{tail}"),
            None => format!("import {what}{tail}"),
        };
        if top {
            module.top.insert(bound.clone());
        }
        module.imports.entry(bound).or_insert(statement);
    }
}

/// The dotted name that `from` of an import means in `module`; nothing when it leads out of its package.
fn absolute(module: &Module, from: &str) -> Option<String> {
    let dots = from.len() - from.trim_start_matches('.').len();
    if dots == 0 {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = module.name.split('.').collect();
    let up = if module.is_package { dots - 1 } else { dots };
    if up >= parts.len() + usize::from(module.is_package) {
        return None;
    }
    parts.truncate(parts.len() - up);
    let rest = &from[dots..];
    if !rest.is_empty() {
        parts.push(rest);
    }
    (!parts.is_empty()).then(|| parts.join("."))
}
