use std::borrow::Cow;
use std::ops::Index;
use std::sync::Arc;

use serde_json::{Map, Value};

/// What a data set has with a question beside what the program reads, by name in alphabetical order.
///
/// Samples with fields of the same names share the names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    names: Arc<[String]>,
    /// A value for each name.
    values: Box<[Value]>,
}

impl Fields {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.names.iter().position(|known| known == name)?;
        self.values.get(place)
    }

    /// Whether there is a field of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.keys().zip(&self.values)
    }

    /// Copies of names and values.
    pub fn to_map(&self) -> Map<String, Value> {
        let pairs = self.iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(map: Map<String, Value>) -> Self {
        let pairs = map.into_iter();
        Names::default().fields(pairs.map(|(name, value)| (name.into(), value)).collect())
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(pairs: T) -> Self {
        Map::from_iter(pairs).into()
    }
}

/// # Panics
/// When there is no field of this name.
impl Index<&str> for Fields {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).expect("a field of this name")
    }
}

/// The names that the sample before had.
#[derive(Default)]
pub(crate) struct Names(Arc<[String]>);

impl Names {
    /// Fields of distinct names.
    pub(crate) fn fields(&mut self, mut pairs: Vec<(Cow<str>, Value)>) -> Fields {
        pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let names = || pairs.iter().map(|(name, _)| name);
        if !names().eq(self.0.iter()) {
            self.0 = names().map(|name| name.clone().into_owned()).collect();
        }
        Fields {
            names: self.0.clone(),
            values: pairs.into_iter().map(|(_, value)| value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_equal_names_share_them_and_lie_in_alphabetical_order() {
        let mut names = Names::default();
        let of = |names: &mut Names, pairs: &[(&'static str, i32)]| {
            let pairs = pairs.iter();
            names.fields(
                pairs
                    .map(|&(name, value)| (name.into(), json!(value)))
                    .collect(),
            )
        };
        let first = of(&mut names, &[("b", 1), ("a", 2)]);
        let second = of(&mut names, &[("a", 3), ("b", 4)]);
        let third = of(&mut names, &[("a", 3)]);
        assert!(Arc::ptr_eq(&first.names, &second.names));
        assert_eq!(first.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((&first["a"], &first["b"]), (&json!(2), &json!(1)));
        assert_eq!(third.get("b"), None);
        assert_eq!(Fields::from(second.to_map()), second);
        assert_ne!(first, second);
    }
}
