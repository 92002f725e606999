//! The settings of an analysis: a struct that the analysis reads, and a list for forms and help, both made by
//! [`settings!`] from one declaration.

use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};
use strum::VariantNames;

use crate::error::{Error, Result};

/// A setting of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Setting {
    /// Name in requests and on the command line.
    pub name: &'static str,
    /// The description that users read.
    pub description: &'static str,
    /// Allowed values and the default.
    pub range: SettingRange,
}

/// Allowed values of a setting and its default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SettingRange {
    /// Free text.
    Text {
        /// The default.
        default: &'static str,
    },
    /// A whole number.
    Count {
        /// The default.
        default: u32,
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// One of a few words.
    Choice {
        /// The default; not necessarily the first option.
        default: &'static str,
        /// The allowed words.
        options: &'static [&'static str],
    },
    /// Yes or no.
    Flag {
        /// The default.
        default: bool,
    },
}

/// A setting without its name, as a field of [`settings!`] declares it, for a field of type `T`.
pub(super) struct Spec<T> {
    /// Used if the field has no doc comment: for settings that several analyses share.
    description: &'static str,
    range: SettingRange,
    /// The value of the field. None: a value that the range does not allow.
    read: fn(&Value) -> Option<T>,
}

/// Free text.
pub(super) const fn text(default: &'static str) -> Spec<String> {
    Spec::new(SettingRange::Text { default }, |value| value.as_str().map(str::to_owned))
}

/// A whole number from `min` to `max`.
pub(super) const fn count(default: u32, min: u32, max: u32) -> Spec<usize> {
    let range = SettingRange::Count { default, min, max };
    Spec::new(range, |value| value.as_u64().map(|number| number as usize))
}

/// Yes or no.
pub(super) const fn flag(default: bool) -> Spec<bool> {
    Spec::new(SettingRange::Flag { default }, Value::as_bool)
}

/// One of the words of an enum.
pub(super) const fn choice<T: VariantNames + FromStr>(default: &'static str) -> Spec<T> {
    let range = SettingRange::Choice { default, options: T::VARIANTS };
    Spec::new(range, |value| value.as_str()?.parse().ok())
}

impl<T> Spec<T> {
    const fn new(range: SettingRange, read: fn(&Value) -> Option<T>) -> Self {
        Self { description: "", range, read }
    }

    /// Adds a description, for settings that several analyses share.
    pub(super) const fn described(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// The value of the setting `name` among completed settings.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is not there or not allowed, which [`complete`] rules out.
    pub(super) fn read(&self, name: &str, settings: &Map<String, Value>) -> Result<T> {
        settings.get(name).and_then(self.read).ok_or_else(|| Error::Setting {
            name: name.to_owned(),
            message: "it has no value that is allowed.".to_owned(),
        })
    }
}

impl Setting {
    /// The setting of a field, described by its doc comment or else by `spec`.
    pub(super) const fn of<T>(name: &'static str, doc: &'static str, spec: &Spec<T>) -> Self {
        let description = if doc.is_empty() { spec.description } else { doc.trim_ascii() };
        Self { name, description, range: spec.range }
    }
}

/// The type of an analysis's settings.
pub(super) trait Declared: Sized {
    /// The settings, in the order of the struct's fields.
    const LIST: &'static [Setting];

    /// Reads completed settings.
    ///
    /// # Errors
    /// [`Error::Setting`].
    fn read(settings: &Map<String, Value>) -> Result<Self>;
}

/// Declares a struct of settings. A field is `name: Type = spec`, where the spec decides the type; its doc comment is
/// the description that users read.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty = $spec:expr,)*) => {
        /// The analysis, by its settings.
        pub(super) struct Settings {
            $($(#[doc = $doc])* $field: $type,)*
        }

        impl crate::analyses::settings::Declared for Settings {
            const LIST: &'static [crate::analyses::settings::Setting] = &[$(
                crate::analyses::settings::Setting::of(stringify!($field), concat!($($doc),*), &$spec),
            )*];

            fn read(
                _settings: &serde_json::Map<String, serde_json::Value>,
            ) -> crate::error::Result<Self> {
                Ok(Self { $($field: $spec.read(stringify!($field), _settings)?,)* })
            }
        }
    };
}
pub(super) use settings;

/// Fills in the defaults of `list` and checks `given` against the ranges.
///
/// # Errors
/// [`Error::Setting`] for an unknown name or a value outside its range.
pub(super) fn complete(
    analysis: &str,
    list: &[Setting],
    given: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let refuse = |name: &str, message: String| Err(Error::Setting { name: name.to_owned(), message });
    let names: Vec<&str> = list.iter().map(|setting| setting.name).collect();
    if let Some(name) = given.keys().find(|name| !names.contains(&name.as_str())) {
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return refuse(name, format!("`{analysis}` has no such setting. It has: {known}."));
    }
    let mut complete = Map::new();
    for Setting { name, range, .. } in list {
        let value = match given.get(*name) {
            None => range.default(),
            Some(value) => match range.accept(value) {
                Ok(value) => value,
                Err(message) => return refuse(name, message),
            },
        };
        complete.insert((*name).to_owned(), value);
    }
    Ok(complete)
}

impl SettingRange {
    fn default(&self) -> Value {
        match *self {
            SettingRange::Text { default } | SettingRange::Choice { default, .. } => Value::from(default),
            SettingRange::Count { default, .. } => Value::from(default),
            SettingRange::Flag { default } => Value::from(default),
        }
    }

    /// The value, in the type of the range, or why it is not allowed. Values from the command line arrive as
    /// text.
    fn accept(&self, value: &Value) -> Result<Value, String> {
        match self {
            SettingRange::Text { .. } if value.is_string() => Ok(value.clone()),
            SettingRange::Text { .. } => Err(format!("{value} is not text.")),
            SettingRange::Count { min, max, .. } => {
                let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                number
                    .filter(|number| (u64::from(*min)..=u64::from(*max)).contains(number))
                    .map(Value::from)
                    .ok_or_else(|| format!("{value} is not a whole number from {min} to {max}."))
            }
            SettingRange::Choice { options, .. } => match value.as_str() {
                Some(text) if options.contains(&text) => Ok(value.clone()),
                _ => Err(format!("{value} is not one of {}.", options.join(", "))),
            },
            SettingRange::Flag { .. } => match (value.as_bool(), value.as_str()) {
                (Some(flag), _) => Ok(Value::from(flag)),
                (_, Some("true" | "yes")) => Ok(Value::from(true)),
                (_, Some("false" | "no")) => Ok(Value::from(false)),
                _ => Err(format!("{value} is neither yes nor no.")),
            },
        }
    }
}
