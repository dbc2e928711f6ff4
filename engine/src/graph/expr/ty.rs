//! Types while an expression is checked: the declared ones, and what only literals have.

use std::fmt;
use std::sync::Arc;

use crate::types::{Record, Type, duration_ms, is_path};

/// A type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ty {
    /// Not known, because of an error reported elsewhere: fits everything.
    Any,
    /// The items of an empty list.
    Never,
    Null,
    Bool,
    Int,
    Float,
    String,
    Path,
    Duration,
    /// One of these string literals.
    Words(Vec<String>),
    Enum(Vec<String>),
    Text,
    Diff,
    List(Box<Self>),
    Map(Box<Self>),
    Record(Arc<Record>),
    /// A map literal with these keys.
    Object(Vec<(String, Self)>),
    Optional(Box<Self>),
}

impl From<&Type> for Ty {
    fn from(ty: &Type) -> Self {
        match ty {
            Type::String => Self::String,
            Type::Text => Self::Text,
            Type::Diff => Self::Diff,
            Type::Int => Self::Int,
            Type::Float => Self::Float,
            Type::Bool => Self::Bool,
            Type::Path => Self::Path,
            Type::Duration => Self::Duration,
            Type::List(item) => Self::List(Box::new(item.as_ref().into())),
            Type::Map(item) => Self::Map(Box::new(item.as_ref().into())),
            Type::Record(record) => Self::Record(Arc::clone(record)),
            Type::Enum(words) => Self::Enum(words.clone()),
            Type::Optional(inner) => Self::Optional(Box::new(inner.as_ref().into())),
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::Never => f.write_str("anything"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::String | Self::Words(_) => f.write_str("string"),
            Self::Path => f.write_str("path"),
            Self::Duration => f.write_str("duration"),
            Self::Enum(words) => write!(f, "enum<{}>", words.join("|")),
            Self::Text => f.write_str("text"),
            Self::Diff => f.write_str("diff"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Map(item) => write!(f, "map<{item}>"),
            Self::Record(record) => Type::Record(Arc::clone(record)).fmt(f),
            Self::Object(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
            Self::Optional(inner) => write!(f, "{inner}?"),
        }
    }
}

impl Ty {
    /// Whether CEL holds it as a string.
    pub(crate) fn is_string(&self) -> bool {
        matches!(
            self,
            Self::Any | Self::String | Self::Path | Self::Duration | Self::Words(_) | Self::Enum(_)
        )
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Any | Self::Int | Self::Float)
    }

    /// The declared type that says the same; nothing for what only literals have.
    pub(crate) fn to_type(&self) -> Option<Type> {
        Some(match self {
            Self::Any | Self::Never | Self::Null | Self::Object(_) => return None,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Float => Type::Float,
            Self::String | Self::Words(_) => Type::String,
            Self::Path => Type::Path,
            Self::Duration => Type::Duration,
            Self::Enum(words) => Type::Enum(words.clone()),
            Self::Text => Type::Text,
            Self::Diff => Type::Diff,
            Self::List(item) => Type::List(Box::new(item.to_type()?)),
            Self::Map(item) => Type::Map(Box::new(item.to_type()?)),
            Self::Record(record) => Type::Record(Arc::clone(record)),
            Self::Optional(inner) => Type::Optional(Box::new(inner.to_type()?)),
        })
    }

    pub(crate) fn is_bool(&self) -> bool {
        matches!(self, Self::Any | Self::Bool)
    }

    pub(crate) fn is_blob(&self) -> bool {
        matches!(self, Self::Text | Self::Diff)
    }

    /// The type without null.
    pub(crate) fn present(self) -> Self {
        match self {
            Self::Optional(inner) => inner.present(),
            other => other,
        }
    }

    /// Whether a value of this type can be stored as `to`.
    pub(crate) fn fits(&self, to: &Type) -> bool {
        match (self, to) {
            (Self::Any | Self::Never, _)
            | (Self::Null, Type::Optional(_))
            | (Self::Bool, Type::Bool)
            | (Self::Int, Type::Int | Type::Float)
            | (Self::Float, Type::Float)
            | (Self::String | Self::Path | Self::Duration | Self::Words(_) | Self::Enum(_), Type::String)
            | (Self::Path, Type::Path)
            | (Self::Duration, Type::Duration)
            | (Self::Text | Self::Diff, Type::Text)
            | (Self::Diff, Type::Diff) => true,
            (Self::Optional(inner), Type::Optional(to)) => inner.fits(to),
            (_, Type::Optional(to)) => self.fits(to),
            (Self::Words(words), Type::Path) => words.iter().all(|word| is_path(word)),
            (Self::Words(words), Type::Duration) => words.iter().all(|word| duration_ms(word).is_some()),
            (Self::Words(words) | Self::Enum(words), Type::Enum(known)) => {
                words.iter().all(|word| known.contains(word))
            }
            (Self::List(item), Type::List(to)) | (Self::Map(item), Type::Map(to)) => item.fits(to),
            (Self::Object(fields), Type::Map(to)) => fields.iter().all(|(_, ty)| ty.fits(to)),
            (Self::Object(fields), Type::Record(to)) => {
                fields.iter().all(|(name, ty)| to.fields.get(name).is_some_and(|field| ty.fits(&field.ty)))
                    && to.fields.iter().all(|(name, field)| {
                        matches!(field.ty, Type::Optional(_)) || fields.iter().any(|(known, _)| known == name)
                    })
            }
            (Self::Record(from), Type::Record(to)) => from == to || same_fields(from, to),
            _ => false,
        }
    }

    /// The type of a value that is one or the other; nothing when that makes no sense.
    pub(crate) fn join(self, other: Self) -> Option<Self> {
        if self == other {
            return Some(self);
        }
        Some(match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Never, ty) | (ty, Self::Never) => ty,
            (Self::Null, ty @ Self::Optional(_)) | (ty @ Self::Optional(_), Self::Null) => ty,
            (Self::Null, ty) | (ty, Self::Null) => Self::Optional(Box::new(ty)),
            (Self::Optional(a), Self::Optional(b)) => Self::Optional(Box::new(a.join(*b)?)),
            (Self::Optional(a), b) | (b, Self::Optional(a)) => Self::Optional(Box::new(a.join(b)?)),
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (Self::Words(mut a), Self::Words(b)) => {
                a.extend(b);
                a.sort();
                a.dedup();
                Self::Words(a)
            }
            (Self::Enum(known), Self::Words(words)) | (Self::Words(words), Self::Enum(known))
                if words.iter().all(|word| known.contains(word)) =>
            {
                Self::Enum(known)
            }
            (Self::Path, Self::Words(words)) | (Self::Words(words), Self::Path)
                if words.iter().all(|word| is_path(word)) =>
            {
                Self::Path
            }
            (a, b) if a.is_string() && b.is_string() => Self::String,
            (a, b) if a.is_blob() && b.is_blob() => Self::Text,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.join(*b)?)),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.join(*b)?)),
            (Self::Map(item), Self::Object(fields)) | (Self::Object(fields), Self::Map(item)) => {
                Self::Map(Box::new(fields.into_iter().try_fold(*item, |all, (_, ty)| all.join(ty))?))
            }
            (Self::Record(record), object @ Self::Object(_))
            | (object @ Self::Object(_), Self::Record(record))
                if object.fits(&Type::Record(Arc::clone(&record))) =>
            {
                Self::Record(record)
            }
            _ => return None,
        })
    }

    /// Whether `==` between the two can ever hold.
    pub(crate) fn comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Never | Self::Null, _) | (_, Self::Any | Self::Never | Self::Null) => true,
            (Self::Optional(a), b) => a.comparable(b),
            (a, Self::Optional(b)) => a.comparable(b),
            (Self::Enum(known), Self::Words(words) | Self::Enum(words))
            | (Self::Words(words), Self::Enum(known)) => words.iter().any(|word| known.contains(word)),
            (a, b) if a.is_number() && b.is_number() => true,
            (a, b) if a.is_string() && b.is_string() => true,
            (a, b) if a.is_blob() && b.is_blob() => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => a.comparable(b),
            (Self::Record(_) | Self::Map(_) | Self::Object(_), Self::Object(_))
            | (Self::Object(_), Self::Record(_) | Self::Map(_)) => true,
            (Self::Record(a), Self::Record(b)) => a == b || same_fields(a, b),
            (a, b) => a == b,
        }
    }
}

fn same_fields(from: &Record, to: &Record) -> bool {
    from.fields.len() == to.fields.len()
        && to
            .fields
            .iter()
            .all(|(name, field)| from.fields.get(name).is_some_and(|known| known.ty == field.ty))
}
