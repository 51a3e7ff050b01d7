//! Files of prompts: text, one per line, or JSON Lines.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::PromptLines;
use crate::failure::{Outcome, bad_request};

/// A prompt and where it stands.
#[derive(Debug, PartialEq)]
pub struct Prompt {
    /// Its line, from 1.
    pub line: usize,
    /// Its name, where it has one.
    pub id: Option<Value>,
    /// The text.
    pub text: String,
    /// The file of its image.
    pub image: Option<PathBuf>,
}

/// What is wrong with a file, and what to do about it.
type Wrong = (String, &'static str);

/// Reads prompts from a file, or from standard input for `-`. Also says how many blank lines were left out.
pub fn read(path: &Path, kind: Option<PromptLines>) -> Outcome<(Vec<Prompt>, usize)> {
    let standard = path == Path::new("-");
    let (name, folder) = if standard {
        ("standard input".to_owned(), Path::new(""))
    } else {
        (
            path.display().to_string(),
            path.parent().unwrap_or(Path::new("")),
        )
    };
    let mut bytes = Vec::new();
    let read = if standard {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        bad_request!("cannot read {name}: {error}\nhelp: give a file of prompts, one per line")
    })?;
    let kind = kind.or_else(|| {
        let ending = path.extension()?.to_string_lossy().to_lowercase();
        ["jsonl", "ndjson"]
            .contains(&&*ending)
            .then_some(PromptLines::JsonLines)
    });
    parse(&bytes, kind, folder)
        .map_err(|(reason, help)| bad_request!("{name}: {reason}\nhelp: {help}"))
}

fn parse(
    bytes: &[u8],
    kind: Option<PromptLines>,
    folder: &Path,
) -> Result<(Vec<Prompt>, usize), Wrong> {
    // Some programs write a byte order mark in front of UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        (
            format!("line {line} is not UTF-8"),
            "save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW",
        )
    })?;
    let lines: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .collect();
    let blank = text.trim_end().lines().count().max(lines.len()) - lines.len();
    let Some((_, first)) = lines.first() else {
        return Err((
            "there is no prompt in it".to_owned(),
            "give one prompt per line",
        ));
    };
    let kind = kind.unwrap_or_else(|| match serde_json::from_str::<Value>(first) {
        Ok(Value::Object(_)) => PromptLines::JsonLines,
        _ => PromptLines::Text,
    });
    let prompts = lines.iter().map(|&(line, text)| match kind {
        PromptLines::Text => Ok(Prompt {
            line,
            id: None,
            text: text.to_owned(),
            image: None,
        }),
        PromptLines::JsonLines => object(line, text, folder),
    });
    Ok((prompts.collect::<Result<_, _>>()?, blank))
}

fn object(line: usize, text: &str, folder: &Path) -> Result<Prompt, Wrong> {
    let help = "every line is an object such as {\"prompt\": \"…\"}, with \"image\": \"FILE\" where there is one; for a prompt per \
                line give `--input text`";
    let wrong = |reason: String| (format!("line {line}: {reason}"), help);
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // The message ends with a place inside the line, which it calls line 1.
        let error = error.to_string();
        let place = error.rfind(" at line 1 ").unwrap_or(error.len());
        wrong(format!(
            "{}{}",
            &error[..place],
            error[place..].replace("line 1 ", "")
        ))
    })?;
    let Value::Object(mut fields) = value else {
        return Err(wrong(format!("expected an object, found {value}")));
    };
    let mut take = |key: &str| match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(format!("`{key}` must be a text, not {other}"))),
    };
    let prompt = take("prompt")?.filter(|prompt| !prompt.trim().is_empty());
    let prompt = prompt.ok_or_else(|| wrong("there is no `prompt`".to_owned()))?;
    let image = take("image")?.filter(|image| !image.is_empty());
    Ok(Prompt {
        line,
        text: prompt,
        image: image.map(|image| folder.join(image)),
        id: fields.remove("id").filter(|id| !id.is_null()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Vec<Prompt>, usize), Wrong> {
        parse(text.as_bytes(), None, Path::new("folder"))
    }

    #[test]
    fn text_has_a_prompt_per_line_and_keeps_the_numbers_of_lines() {
        let (prompts, blank) = read("\u{feff}one\r\n\n{two} is no object\n  \nthree\n\n").unwrap();
        let found: Vec<(usize, &str)> = prompts
            .iter()
            .map(|prompt| (prompt.line, prompt.text.as_str()))
            .collect();
        assert_eq!(found, [(1, "one"), (3, "{two} is no object"), (5, "three")]);
        assert_eq!(blank, 2);
    }

    #[test]
    fn json_lines_have_prompts_ids_and_images() {
        let (prompts, _) = read(
            "{\"prompt\": \"one\\ntwo\", \"id\": 7}\n{\"prompt\": \"x\", \"image\": \"a.png\", \"more\": []}\n",
        )
        .unwrap();
        assert_eq!(prompts[0].text, "one\ntwo");
        assert_eq!(prompts[0].id, Some(7.into()));
        assert_eq!(prompts[1].image, Some(PathBuf::from("folder/a.png")));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            (
                "{\"prompt\": \"a\"}\n\n{\"prompt\": 1}",
                "line 3: `prompt` must be a text, not 1",
            ),
            (
                "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"",
                "line 2: EOF while parsing an object at column 14",
            ),
            (
                "{\"prompt\": \"a\"}\n{\"question\": \"b\"}",
                "line 2: there is no `prompt`",
            ),
            (
                "{\"prompt\": \"a\"}\n{\"prompt\": \"  \"}",
                "line 2: there is no `prompt`",
            ),
            (
                "{\"prompt\": \"a\"}\n[1]",
                "line 2: expected an object, found [1]",
            ),
            (" \n\n", "there is no prompt in it"),
        ] {
            assert_eq!(read(text).unwrap_err().0, expected);
        }
        let latin = parse(b"one\ntwo \xe9\n", None, Path::new("")).unwrap_err();
        assert_eq!(latin.0, "line 2 is not UTF-8");
    }
}
