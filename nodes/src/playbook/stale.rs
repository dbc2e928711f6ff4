//! A key that something beside the container remembers and the container does not have.
//!
//! An order, a counter or an index kept next to the data must only learn keys that the data holds. When a key
//! taken from it is missing in the data, the writers of the bookkeeping are at fault, not the reader.

use tree_sitter::Node;

use super::case::{Case, Drafts};
use super::edit::under;
use super::source::{Module, all, arguments, children, class, field, function, statement, walk};
use super::zero::parameter;

const NAME: &str = "stale-key";

/// Proposes to let the bookkeeping learn only keys that are there.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if case.exception != "KeyError" {
        return;
    }
    for site in &case.sites {
        let m = site.module;
        let (Some(func), Some(cls)) = (site.function(), class(site.node)) else { continue };
        for call in site.nodes("call").into_iter().chain(site.nodes("subscript")) {
            let keys = if call.kind() == "subscript" {
                field(call, "subscript").into_iter().collect()
            } else {
                arguments(call)
            };
            for key in keys.into_iter().filter(|k| k.kind() == "identifier") {
                for kept in origins(m, func, m.of(key)) {
                    writers(m, cls, func, kept, site.weight.max(0.6), out);
                }
            }
        }
    }
}

/// The attributes of `self` that a local name was taken from: `key = next(iter(self.order))`.
fn origins<'a>(m: &'a Module, func: Node<'a>, name: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for a in walk(func) {
        let (left, right) = match a.kind() {
            "assignment" | "for_statement" => (field(a, "left"), field(a, "right")),
            _ => continue,
        };
        let (Some(left), Some(right)) = (left, right) else { continue };
        if walk(left).iter().any(|n| n.kind() == "identifier" && m.of(*n) == name) {
            let own = |n: &Node| field(*n, "object").is_some_and(|o| m.of(o) == "self");
            found.extend(all(right, "attribute").into_iter().filter(own).map(|n| m.of(n)));
        }
    }
    found
}

/// Whether `node` writes `kept` under the key `key`.
fn writes(m: &Module, node: Node, kept: &str, key: &str) -> bool {
    match node.kind() {
        "assignment" | "augmented_assignment" => field(node, "left").is_some_and(|l| {
            l.kind() == "subscript"
                && field(l, "value").is_some_and(|v| m.of(v) == kept)
                && field(l, "subscript").is_some_and(|s| m.of(s) == key)
        }),
        "call" => field(node, "function").is_some_and(|f| {
            let method = field(f, "attribute").map_or("", |a| m.of(a));
            field(f, "object").is_some_and(|o| m.of(o) == kept)
                && matches!(
                    method,
                    "append" | "add" | "appendleft" | "insert" | "move_to_end" | "setdefault" | "push"
                )
                && arguments(node).iter().any(|a| m.of(*a) == key)
        }),
        _ => false,
    }
}

fn writers(m: &Module, cls: Node, reader: Node, kept: &str, weight: f64, out: &mut Drafts) {
    let methods: Vec<Node> =
        all(cls, "function_definition").into_iter().filter(|f| class(*f) == Some(cls)).collect();
    let keys = |f: Node| -> Vec<&str> {
        field(f, "parameters")
            .map(children)
            .unwrap_or_default()
            .into_iter()
            .skip(1)
            .map(|p| parameter(m, p))
            .collect()
    };
    let learns: Vec<(&str, Node)> = methods
        .iter()
        .filter(|f| f.id() != reader.id())
        .filter(|f| keys(**f).iter().any(|k| walk(**f).iter().any(|n| writes(m, *n, kept, k))))
        .map(|f| (m.name(*f), *f))
        .collect();
    for f in methods.iter().filter(|f| f.id() != reader.id()) {
        let store = m.name(*f).contains("set") || m.name(*f).contains("add");
        let read = m.name(*f).contains("get") || m.name(*f).contains("read");
        for key in keys(*f) {
            for n in walk(*f).into_iter().filter(|n| function(*n) == Some(*f)) {
                let direct = writes(m, n, kept, key);
                let through = n.kind() == "call"
                    && field(n, "function")
                        .is_some_and(|g| learns.iter().any(|(name, _)| m.of(g) == format!("self.{name}")))
                    && arguments(n).iter().any(|a| m.of(*a) == key);
                if !(direct || through) || statement(n).is_none_or(|s| s.kind() != "expression_statement") {
                    continue;
                }
                let score = weight
                    * if read {
                        0.92
                    } else if store {
                        0.3
                    } else {
                        0.5
                    };
                let edit = under(m, n, &format!("if {key} in self:"), &[]);
                out.add(NAME, m, n, score, [edit], format!("`{kept}` learns only keys that are there"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn the_order_learns_only_keys_that_are_there() {
        let source = "class C(Base):\n    def get(self, key):\n        value = Base.get(self, key)\n        self.order.append(key)\n        return value\n\n    def evict(self):\n        key = next(iter(self.order))\n        return self.pop(key)\n";
        let f = fixture(source, "KeyError", "'a'", &["self.pop(key)"]);
        f.offers(
            "        self.order.append(key)",
            "        if key in self:\n            self.order.append(key)",
            4,
        );
    }
}
