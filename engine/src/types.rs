//! The types of a graph file, and the tie between them and Rust structs.

mod check;
mod parse;
mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::blob::BlobRef;
pub(crate) use check::is_path;
pub use check::{MAX_STRING, Mismatch};
pub use parse::{TypeError, duration_ms};

/// A type of the graph language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Up to 64 KiB of text, kept inline.
    String,
    /// A blob of text; rendered with a cap.
    Text,
    /// A blob that holds a unified diff.
    Diff,
    /// A 64-bit signed integer.
    Int,
    /// A 64-bit float.
    Float,
    /// True or false.
    Bool,
    /// A relative path with `/`, without `..`.
    Path,
    /// A span of time such as `90s` or `30m`.
    Duration,
    /// Items of one type.
    List(Box<Self>),
    /// String keys, values of one type.
    Map(Box<Self>),
    /// A closed record: these keys and no others.
    Record(Arc<Record>),
    /// One of these words.
    Enum(Vec<String>),
    /// Null, or the type inside.
    Optional(Box<Self>),
}

/// A named record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name in graph files; empty for one that has none.
    pub name: String,
    /// One line on what it is.
    pub doc: String,
    /// Its fields in order of declaration.
    pub fields: IndexMap<String, RecordField>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordField {
    /// Its type.
    pub ty: Type,
    /// One line on what it holds.
    pub doc: String,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Text => f.write_str("text"),
            Self::Diff => f.write_str("diff"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Bool => f.write_str("bool"),
            Self::Path => f.write_str("path"),
            Self::Duration => f.write_str("duration"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Map(item) => write!(f, "map<{item}>"),
            Self::Record(record) if record.name.is_empty() => {
                f.write_str("{")?;
                for (i, (name, field)) in record.fields.iter().enumerate() {
                    write!(f, "{}{name}: {}", if i > 0 { ", " } else { "" }, field.ty)?;
                }
                f.write_str("}")
            }
            Self::Record(record) => f.write_str(&record.name),
            Self::Enum(words) => write!(f, "enum<{}>", words.join("|")),
            Self::Optional(inner) => write!(f, "{inner}?"),
        }
    }
}

impl Type {
    /// The same type with every record spelled out, so that it can be read where its names are not known.
    #[must_use]
    pub fn spelled_out(&self) -> Self {
        match self {
            Self::List(item) => Self::List(Box::new(item.spelled_out())),
            Self::Map(item) => Self::Map(Box::new(item.spelled_out())),
            Self::Optional(inner) => Self::Optional(Box::new(inner.spelled_out())),
            Self::Record(record) => {
                let field = |(name, field): (&String, &RecordField)| {
                    (name.clone(), RecordField { ty: field.ty.spelled_out(), doc: String::new() })
                };
                let fields = record.fields.iter().map(field).collect();
                Self::Record(Arc::new(Record { name: String::new(), doc: String::new(), fields }))
            }
            plain => plain.clone(),
        }
    }
}

/// A Rust type that has a counterpart in the graph language.
pub trait Typed {
    /// The counterpart.
    fn ty() -> Type;
}

macro_rules! typed {
    ($($rust:ty => $ty:expr),* $(,)?) => { $(impl Typed for $rust { fn ty() -> Type { $ty } })* };
}
typed! { String => Type::String, bool => Type::Bool, i64 => Type::Int, u32 => Type::Int, u64 => Type::Int, f64 => Type::Float, Text => Type::Text, Diff => Type::Diff, RepoPath => Type::Path }

impl<T: Typed> Typed for Vec<T> {
    fn ty() -> Type {
        Type::List(Box::new(T::ty()))
    }
}

impl<T: Typed> Typed for Option<T> {
    fn ty() -> Type {
        Type::Optional(Box::new(T::ty()))
    }
}

impl<T: Typed> Typed for BTreeMap<String, T> {
    fn ty() -> Type {
        Type::Map(Box::new(T::ty()))
    }
}

/// A blob of text (graph type `text`).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Text(pub BlobRef);

/// A blob that holds a unified diff (graph type `diff`).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Diff(pub BlobRef);

/// A path inside the repository, with `/`, relative to its top (graph type `path`).
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct RepoPath(pub String);

impl std::ops::Deref for RepoPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RepoPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Defines a struct that is also a record of the graph language: one definition for serde, the checker,
/// `prunella explain` and the JSON Schema. Each item and field needs a doc comment; fields need [`Typed`].
#[macro_export]
macro_rules! record {
    ($(#[doc = $doc:literal])+ pub struct $name:ident { $($(#[doc = $fdoc:literal])+ pub $field:ident: $ty:ty,)* }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[doc = $fdoc])+ pub $field: $ty,)* }

        impl $crate::types::Typed for $name {
            fn ty() -> $crate::types::Type {
                let mut fields = $crate::types::FieldMap::new();
                $(fields.insert(stringify!($field).to_owned(), $crate::types::RecordField {
                    ty: <$ty as $crate::types::Typed>::ty(),
                    doc: concat!($($fdoc),+).trim().to_owned(),
                });)*
                $crate::types::Type::Record(std::sync::Arc::new($crate::types::Record {
                    name: stringify!($name).to_owned(),
                    doc: concat!($($doc),+).trim().to_owned(),
                    fields,
                }))
            }
        }
    };
}

/// Defines an enum of words that is also an enum of the graph language. The first word is the default.
#[macro_export]
macro_rules! words {
    ($(#[doc = $doc:literal])+ pub enum $name:ident { $(#[doc = $d0:literal])+ $first:ident = $w0:literal, $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal,)* }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(#[doc = $d0])+ #[default] #[serde(rename = $w0)] $first,
            $($(#[doc = $vdoc])+ #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word in graph files and JSON.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { Self::$first => $w0, $(Self::$variant => $word,)* }
            }
        }

        impl $crate::types::Typed for $name {
            fn ty() -> $crate::types::Type {
                $crate::types::Type::Enum(vec![$w0.to_owned(), $($word.to_owned()),*])
            }
        }
    };
}

/// What [`record!`] collects fields in.
pub type FieldMap = IndexMap<String, RecordField>;
