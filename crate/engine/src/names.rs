//! Names of heads and neurons as people write them, `L7H11`, `L8N2744`, `8/2744`, and lists of these and of
//! layers.

use std::fmt;
use std::str::FromStr;

/// An attention head, written `L7H11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Head {
    /// Layer, from 0.
    pub(crate) layer: usize,
    /// Index within the layer, from 0.
    pub(crate) head: usize,
}

/// An MLP neuron, written `L8N2744`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Neuron {
    /// Layer, from 0.
    pub(crate) layer: usize,
    /// Index within the layer, from 0.
    pub(crate) neuron: usize,
}

/// A head or a whole MLP, written `L7H11` and `MLP7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Node {
    /// An attention head.
    Head(Head),
    /// The MLP of a layer.
    Mlp(usize),
}

/// Not a valid name of a head, neuron or layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidName;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}H{}", self.layer, self.head)
    }
}

impl fmt::Display for Neuron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}N{}", self.layer, self.neuron)
    }
}

impl FromStr for Head {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let [layer, head] = pair(text, 'H')?;
        Ok(Self { layer, head })
    }
}

impl FromStr for Neuron {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let [layer, neuron] = pair(text, 'N')?;
        Ok(Self { layer, neuron })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Head(head) => head.fmt(f),
            Node::Mlp(layer) => write!(f, "MLP{layer}"),
        }
    }
}

impl FromStr for Node {
    type Err = InvalidName;

    /// Also reads `m7`, as edges of circuits are written.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let upper = text.trim().to_ascii_uppercase();
        match upper.strip_prefix("MLP").or_else(|| upper.strip_prefix('M')) {
            Some(layer) => Ok(Node::Mlp(layer.parse().map_err(|_| InvalidName)?)),
            None => Ok(Node::Head(text.parse()?)),
        }
    }
}

/// Parses `L8N2744` or `8/2744`.
fn pair(text: &str, letter: char) -> Result<[usize; 2], InvalidName> {
    let text = text.trim().to_ascii_uppercase();
    let (layer, index) = match text.strip_prefix('L') {
        Some(rest) => rest.split_once(letter),
        None => text.split_once('/'),
    }
    .ok_or(InvalidName)?;
    let number = |text: &str| text.parse().map_err(|_| InvalidName);
    Ok([number(layer)?, number(index)?])
}

/// Splits a list at commas, semicolons and white space.
pub(crate) fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ';', ' ', '\t', '\n']).map(str::trim).filter(|word| !word.is_empty())
}

/// Parses a list of layers, written `all`, `8`, `8 10` or `3-5`: in ascending order, without duplicates.
///
/// # Errors
/// [`InvalidName`] for a word that is not a layer below `n_layers`, and for an empty list.
pub(crate) fn layers(list: &str, n_layers: usize) -> Result<Vec<usize>, InvalidName> {
    let number = |text: &str| {
        let digits = text.trim_start_matches(['L', 'l']);
        digits.parse().ok().filter(|&layer: &usize| layer < n_layers).ok_or(InvalidName)
    };
    let mut found = Vec::new();
    for word in words(list) {
        match word.split_once('-') {
            _ if word == "all" => found.extend(0..n_layers),
            Some((first, last)) => found.extend(number(first)?..=number(last)?),
            None => found.push(number(word)?),
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { Err(InvalidName) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        assert_eq!("L7H11".parse(), Ok(Head { layer: 7, head: 11 }));
        assert_eq!(" l7h11 ".parse(), Ok(Head { layer: 7, head: 11 }));
        assert_eq!("8/2744".parse(), Ok(Neuron { layer: 8, neuron: 2744 }));
        assert_eq!(Neuron { layer: 8, neuron: 2744 }.to_string(), "L8N2744");
        assert_eq!("mlp8".parse(), Ok(Node::Mlp(8)));
        assert_eq!("m8".parse(), Ok(Node::Mlp(8)));
        assert_eq!("L7H11".parse(), Ok(Node::Head(Head { layer: 7, head: 11 })));
        assert_eq!(Node::Mlp(8).to_string(), "MLP8");
        for text in ["MLP", "m-1", "mlp8x"] {
            assert_eq!(text.parse::<Node>(), Err(InvalidName), "{text}");
        }
        for text in ["", "L7", "7H11", "L7N11", "LxH1", "L-1H0"] {
            assert_eq!(text.parse::<Head>(), Err(InvalidName), "{text}");
        }
    }

    #[test]
    fn layers_are_listed_in_order_and_once() {
        assert_eq!(layers("all", 3), Ok(vec![0, 1, 2]));
        assert_eq!(layers("10, L8 8", 12), Ok(vec![8, 10]));
        assert_eq!(layers("3-5", 12), Ok(vec![3, 4, 5]));
        for list in ["", "12", "one", "3-12", "5-3"] {
            assert_eq!(layers(list, 12), Err(InvalidName), "{list}");
        }
    }
}
