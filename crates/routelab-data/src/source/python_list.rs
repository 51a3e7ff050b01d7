//! Text that was published as the `repr` of a Python list, such as `['What is 1 + 1?']`.

/// The text in a Python list literal of exactly one string, with its escapes decoded. `None` for anything else: more
/// strings, other types, or an escape that has no Unicode character.
pub(crate) fn single_string(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('[')?.strip_suffix(']')?;
    let mut characters = inner.chars();
    let quote = characters
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'))?;
    let mut text = String::with_capacity(inner.len());
    while let Some(character) = characters.next() {
        match character {
            // The closing quote must end the list.
            _ if character == quote => return characters.as_str().is_empty().then_some(text),
            '\\' => text.push(escape(&mut characters)?),
            '\n' | '\r' => return None,
            other => text.push(other),
        }
    }
    None
}

/// The escapes that `repr` writes, and the other quote.
fn escape(characters: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match characters.next()? {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        same @ ('\\' | '\'' | '"') => return Some(same),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let code = characters.as_str().get(..digits)?;
    characters.nth(digits - 1);
    u32::from_str_radix(code, 16).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::single_string;

    #[test]
    fn one_string_is_unwrapped_with_its_escapes() {
        assert_eq!(
            single_string(r#"['a\nb\'c\\times \x02 \u00e9 "d"']"#).as_deref(),
            Some("a\nb'c\\times \u{2} é \"d\"")
        );
        assert_eq!(single_string(r#"["it's"]"#).as_deref(), Some("it's"));
        assert_eq!(single_string("['']").as_deref(), Some(""));
    }

    #[test]
    fn everything_else_is_left_alone() {
        let others = [
            "",
            "[",
            "[]",
            "text",
            "['a', 'b']",
            "['a' 'b']",
            "['a",
            "['a']]",
            "[1]",
            r"['\ud800']",
            r"['\x']",
            "['a\nb']",
            r"['\u00é9']",
        ];
        for literal in others {
            assert_eq!(single_string(literal), None, "{literal}");
        }
    }
}
