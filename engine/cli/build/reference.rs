//! The tables of `larder.toml` as their types declare them: names, types, defaults and sentences.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

/// The tables of all sources in `folder`, as the text of a constant.
pub(crate) fn of(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut code = String::from("pub(crate) const TABLES: &[Table] = &[");
    let mut words = String::from("pub(crate) const ENUMS: &[(&str, &[&str])] = &[");
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::path);
    for file in files {
        let path = file.path();
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for item in syn::parse_file(&fs::read_to_string(&path)?)?.items {
            match item {
                Item::Struct(item) if is_read(&item.attrs) => {
                    table(&mut code, &stem, &item)?;
                }
                Item::Enum(item) if is_read(&item.attrs) => {
                    let all = item
                        .variants
                        .iter()
                        .map(|one| snake(&one.ident.to_string()));
                    writeln!(
                        words,
                        "({:?}, &{:?}),",
                        item.ident.to_string(),
                        all.collect::<Vec<_>>()
                    )?;
                }
                _ => {}
            }
        }
    }
    Ok(format!("{code}];\n{words}];\n"))
}

fn table(code: &mut String, stem: &str, item: &syn::ItemStruct) -> Result<(), Box<dyn Error>> {
    let Fields::Named(fields) = &item.fields else {
        return Ok(());
    };
    let all_default = says(&item.attrs, "serde", "default");
    let (about, _) = split(&docs(&item.attrs));
    writeln!(
        code,
        "Table {{ name: \"{stem}::{}\", about: {about:?}, fields: &[",
        item.ident
    )?;
    for field in &fields.named {
        let name = field
            .ident
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let (kind, optional) = kind(&field.ty);
        let (sentence, default) = split(&docs(&field.attrs));
        let default = default.map(|text| text.trim_matches('`').to_owned());
        let is_required = !optional && !all_default && !says(&field.attrs, "serde", "default");
        writeln!(
            code,
            "Field {{ name: {name:?}, kind: {kind:?}, default: {default:?}, \
             is_required: {is_required}, sentence: {sentence:?} }},"
        )?;
    }
    writeln!(code, "] }},")?;
    Ok(())
}

/// Whether it is read from the file.
fn is_read(attributes: &[Attribute]) -> bool {
    says(attributes, "derive", "Deserialize")
}

fn says(attributes: &[Attribute], attribute: &str, word: &str) -> bool {
    attributes.iter().any(|one| {
        let Meta::List(list) = &one.meta else {
            return false;
        };
        let text = list.tokens.to_string();
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        one.path().is_ident(attribute) && words.any(|one| one == word)
    })
}

/// The documentation, as one line.
fn docs(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|one| one.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attribute.meta
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(text) = &literal.lit
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    lines.join(" ").trim().to_owned()
}

/// What is said, and the default that is said at its end.
fn split(docs: &str) -> (String, Option<String>) {
    match docs.rsplit_once("Default: ") {
        Some((said, default)) => {
            let default = default.trim_end_matches('.').to_owned();
            (said.trim().to_owned(), Some(default))
        }
        None => (docs.to_owned(), None),
    }
}

/// The type's name without `Option`, and whether it had one.
fn kind(kind: &Type) -> (String, bool) {
    let Type::Path(path) = kind else {
        return (String::new(), false);
    };
    let Some(last) = path.path.segments.last() else {
        return (String::new(), false);
    };
    let inside = match &last.arguments {
        PathArguments::AngleBracketed(all) => all.args.iter().find_map(|one| match one {
            GenericArgument::Type(inside) => Some(self::kind(inside).0),
            _ => None,
        }),
        _ => None,
    };
    match (last.ident.to_string().as_str(), inside) {
        ("Option", Some(inside)) => (inside, true),
        (name, Some(inside)) => (format!("{name}<{inside}>"), false),
        (name, None) => {
            // Several files have a type of this name.
            let of = path.path.segments.iter().rev().nth(1);
            let of = of
                .filter(|_| name == "Table")
                .map(|of| format!("{}::", of.ident));
            (format!("{}{name}", of.unwrap_or_default()), false)
        }
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
