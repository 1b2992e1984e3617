//! How the raw structs are declared: one declaration makes the struct, its reader and its schema.

/// Declares a table.
///
/// `key: Required<T>` must be there, `key: Optional<T>` may be, `key: Optional<T> = default` has a
/// default (a literal that is also TOML), `key as "other": …` has another name in the file, and
/// `..keys: Other` takes in the keys of another table. The doc comments are the user's help.
macro_rules! table {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident as $example:literal {
            $( $(#[$field_meta:meta])* $field:ident $(as $key:literal)? : $need:ident<$Type:ty> $(= $default:literal)?, )*
            $( ..$rest:ident : $Rest:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, schemars::JsonSchema)]
        #[schemars(default, deny_unknown_fields, transform = $crate::scenario::schema::describe::<$Name>)]
        pub struct $Name {
            $( $(#[$field_meta])* $(#[schemars(rename = $key)])? pub $field: $crate::scenario::parse::reader::Field<$Type>, )*
            $( #[doc = "The keys taken in."] #[schemars(flatten)] pub $rest: $Rest, )*
        }

        impl $crate::scenario::parse::reader::Table for $Name {
            const KEYS: &'static [$crate::scenario::parse::reader::Key] = &[
                $( $crate::scenario::parse::reader::Key {
                    name: $crate::scenario::parse::macros::key!($field $($key)?),
                    required: $crate::scenario::parse::macros::required!($need),
                    default: $crate::scenario::parse::macros::default!($($default)?),
                }, )*
            ];

            // A table may have no keys of its own.
            #[allow(unused_mut, unused_variables, unused_assignments)]
            fn read_keys(table: &mut $crate::scenario::parse::reader::TableReader<'_>) -> $Name {
                let mut keys = Self::KEYS.iter();
                $( let $field = keys.next().map(|key| table.field(key)).unwrap_or_default(); )*
                $( let $rest = <$Rest as $crate::scenario::parse::reader::Table>::read_keys(table); )*
                $Name { $($field,)* $($rest,)* }
            }
        }

        impl $crate::scenario::parse::reader::Read for $Name {
            const WHAT: &'static str = "a table";
            const EXAMPLE: &'static str = $example;
            fn read(
                node: &$crate::scenario::parse::tree::Node,
                reader: &mut $crate::scenario::parse::reader::Reader,
            ) -> Option<$Name> {
                reader.table(node, $example, |table| {
                    Some(<$Name as $crate::scenario::parse::reader::Table>::read_keys(table))
                })
            }
        }
    };
}

/// Declares a table whose `kind` decides which keys it has.
macro_rules! kinds {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident as $example:literal {
            $( $(#[$variant_meta:meta])* $kind:literal => $Variant:ident($Type:ty), )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, schemars::JsonSchema)]
        #[schemars(tag = "kind", inline)]
        #[allow(clippy::large_enum_variant)] // a scenario has a few of them
        pub enum $Name {
            $( $(#[$variant_meta])* #[schemars(rename = $kind)] $Variant($Type), )*
        }

        impl $crate::scenario::parse::reader::Read for $Name {
            const WHAT: &'static str = "a table with a kind";
            const EXAMPLE: &'static str = $example;
            fn read(
                node: &$crate::scenario::parse::tree::Node,
                reader: &mut $crate::scenario::parse::reader::Reader,
            ) -> Option<$Name> {
                reader.table(node, $example, |table| match table.kind("kind", &[$($kind),*])?.as_str() {
                    $( $kind => Some($Name::$Variant(<$Type as $crate::scenario::parse::reader::Table>::read_keys(table))), )*
                    _ => None,
                })
            }
        }
    };
}

macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! required {
    (Required) => {
        true
    };
    (Optional) => {
        false
    };
}

macro_rules! default {
    () => {
        None
    };
    ($default:literal) => {
        Some(stringify!($default))
    };
}

pub(crate) use {default, key, kinds, required, table};
