//! Rust source as the rules read it: as tokens, so that comments are gone and nothing inside a literal passes for code.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The code that ends up in the program: everything but items under `#[cfg(test)]`.
pub(super) fn code(text: &str) -> TokenStream {
    without_tests(text.parse().expect("the file is Rust"))
}

fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let attribute = match rest.peek() {
            Some(TokenTree::Group(group)) if is_punct(&token, '#') => squeeze(group.stream()),
            _ => String::new(),
        };
        if attribute == "cfg(test)" {
            // The item ends with its braces or its semicolon.
            rest.find(|token| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                token => is_punct(token, ';'),
            });
            continue;
        }
        kept.extend([match token {
            TokenTree::Group(group) => Group::new(group.delimiter(), without_tests(group.stream())).into(),
            token => token,
        }]);
    }
    kept
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// The tokens as text, on one line, with spaces only between words. Literals are empty strings.
pub(super) fn squeeze(tokens: TokenStream) -> String {
    let mut text = String::new();
    for token in tokens {
        let (open, inner, close) = match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                (open.to_owned(), squeeze(group.stream()), close)
            }
            TokenTree::Literal(_) => ("\"\"".to_owned(), String::new(), ""),
            token => (token.to_string(), String::new(), ""),
        };
        let is_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if is_word(text.chars().last()) && is_word(open.chars().next()) {
            text.push(' ');
        }
        text += &(open + &inner + close);
    }
    text
}

/// The modules at the crate's root that code names, whether through `crate::` or as far up as `super::` goes. `depth` is
/// how many modules the code stands in: 1 in `src/a.rs`, 2 in `src/a/b.rs`.
pub(super) fn root_modules(tokens: TokenStream, depth: usize) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let mut path = rest;
        let mut up = 0;
        while let Some(behind) = segment(path, "super").or_else(|| segment(path, "crate")) {
            up += if is_ident(&path[0], "crate") { depth } else { 1 };
            path = behind;
        }
        if up > 0 && up >= depth {
            found.extend(heads(path));
        }
        let is_module = is_ident(first, "mod");
        rest = if up > 0 { path } else { after };
        if let (true, [TokenTree::Ident(_), TokenTree::Group(body), behind @ ..]) = (is_module, rest) {
            found.extend(root_modules(body.stream(), depth + 1));
            rest = behind;
        } else if let (0, TokenTree::Group(group)) = (up, first) {
            found.extend(root_modules(group.stream(), depth));
        }
    }
    found
}

/// What follows `name::`, if the path begins with that.
fn segment<'a>(path: &'a [TokenTree], name: &str) -> Option<&'a [TokenTree]> {
    match path {
        [first, a, b, behind @ ..] if is_ident(first, name) && is_punct(a, ':') && is_punct(b, ':') => {
            Some(behind)
        }
        _ => None,
    }
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == name)
}

/// The first name of a path, or of each path in the braces of a `use`.
fn heads(path: &[TokenTree]) -> Vec<String> {
    match path.first() {
        Some(TokenTree::Ident(name)) => vec![name.to_string()],
        Some(TokenTree::Group(group)) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner.split(|token| is_punct(token, ',')).flat_map(heads).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{code, root_modules, squeeze};

    #[test]
    fn comments_literals_and_tests_are_no_code() {
        let text = r#"
            // eval()
            const AT: &str = "https://example.org"; fn f() { g(1) } /* h() */
            #[cfg(test)]
            mod tests { fn i() {} }
            #[cfg(test)]
            use a::b;
            fn j() {}
        "#;
        assert_eq!(squeeze(code(text)), r#"const AT:&str="";fn f(){g("")}fn j(){}"#);
    }

    #[test]
    fn every_path_to_the_root_is_found() {
        let modules = |text, depth| root_modules(code(text), depth);
        let text = "use crate::{a::{b, c},\n d, e::{self},\n}; fn f() { x!(crate::g::h()) }";
        assert_eq!(modules(text, 1), ["a", "d", "e", "g"]);
        assert_eq!(modules("use super::super::{a, b::c}; use super::d; use self::e;", 2), ["a", "b"]);
        assert_eq!(modules("mod inner { use super::super::a; use super::b; } use super::c;", 1), ["a", "c"]);
        assert_eq!(modules("pub(crate) struct S; use {crate::a, std::b};", 1), ["a"]);
    }
}
