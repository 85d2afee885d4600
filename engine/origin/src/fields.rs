//! Single fields of a row: what `?field=price` asks of a table.

use larder_core::request::clip;

use crate::{OriginError, Wanted};

/// The request attribute that names fields.
const FIELD: &str = "query.field";

/// The fields that are asked for, as they were spelled; none where the whole row is.
pub(crate) fn asked(wanted: &Wanted<'_>) -> Vec<String> {
    let named = wanted.attributes.iter().filter(|(name, _)| name == FIELD);
    named.map(|(_, value)| value.clone()).collect()
}

/// The columns that are asked for by their places among `names`, in table order; none where the
/// whole row is. Several names may be joined by commas.
pub(crate) fn places(asked: &[String], names: &[&str]) -> Result<Option<Vec<usize>>, OriginError> {
    if asked.is_empty() {
        return Ok(None);
    }
    let mut places = Vec::new();
    for text in asked {
        match place(text, names) {
            Some(at) => places.push(at),
            None => {
                for name in text.split(',') {
                    let at = place(name, names);
                    places.push(at.ok_or_else(|| unknown(name, names))?);
                }
            }
        }
    }
    places.sort_unstable();
    places.dedup();
    Ok(Some(places))
}

/// Refuses a write of a field that also names others, and a delete of one.
pub(crate) fn check(
    asked: &[String],
    shown: Option<&[usize]>,
    written: Option<&[usize]>,
    names: &[&str],
) -> Result<(), OriginError> {
    let Some(shown) = shown else { return Ok(()) };
    let field = clip(&asked.join(","));
    let Some(written) = written else {
        return Err(OriginError::Rejected(format!(
            "`field={field}` names a field, and a row is deleted whole: leave `field` out, or write \
             null to it"
        )));
    };
    let other = written.iter().find(|at| !shown.contains(at));
    let Some(other) = other.and_then(|at| names.get(*at)) else {
        return Ok(());
    };
    Err(OriginError::Rejected(format!(
        "the body writes `{other}`, which is not what `field={field}` names: leave `field` out, or \
         write that field alone"
    )))
}

fn place(name: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|known| *known == name)
}

fn unknown(name: &str, names: &[&str]) -> OriginError {
    OriginError::Rejected(format!(
        "no column `{}`; `field` may name: {}",
        clip(name),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["id", "price", "stock", "a,b"];

    fn texts(asked: &[&str]) -> Vec<String> {
        asked.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_become_places_in_table_order() {
        for (asked, expected) in [
            (vec![], Ok(None)),
            (vec!["price"], Ok(Some(vec![1]))),
            (vec!["stock", "id"], Ok(Some(vec![0, 2]))),
            (vec!["stock,price,stock"], Ok(Some(vec![1, 2]))),
            (vec!["a,b"], Ok(Some(vec![3]))),
            (
                vec!["Price"],
                Err("no column `Price`; `field` may name: id, price, stock, a,b"),
            ),
            (vec!["price,"], Err("no column ``")),
            (vec![""], Err("no column ``")),
            (vec!["price\"; --"], Err("no column")),
        ] {
            let found = places(&texts(&asked), &NAMES);
            match expected {
                Ok(expected) => assert_eq!(found, Ok(expected), "{asked:?}"),
                Err(words) => {
                    let error = found.unwrap_err();
                    assert_eq!(error.as_str(), "rejected");
                    assert!(error.to_string().contains(words), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_write_of_a_field_is_of_that_field_alone() {
        let price = texts(&["price"]);
        for (shown, written, refused) in [
            (None, Some(&[1, 2][..]), false),
            (None, None, false),
            (Some(&[1][..]), Some(&[1][..]), false),
            (Some(&[1][..]), Some(&[][..]), false),
            (Some(&[1][..]), Some(&[1, 2][..]), true),
            (Some(&[1][..]), None, true),
        ] {
            let checked = check(&price, shown, written, &NAMES);
            assert_eq!(checked.is_err(), refused, "{shown:?} {written:?}");
        }
    }
}
