//! What a manifest may hold. It is the policy's word, and shown in status and logs.

use larder_core::Manifest;

const MAX_NAME: usize = 128;
const MAX_SUMMARY: usize = 1_000;
const MAX_ATTRIBUTES: usize = 128;

/// Compares a manifest with what is sensible.
///
/// # Errors
/// Names the field that is missing, too long, or holds control characters.
pub(crate) fn check(manifest: &Manifest) -> Result<(), String> {
    field("name", &manifest.name, MAX_NAME, true)?;
    field("version", &manifest.version, MAX_NAME, true)?;
    field("summary", &manifest.summary, MAX_SUMMARY, false)?;
    for (list, names) in [
        ("request-attributes", &manifest.request_attributes),
        ("response-attributes", &manifest.response_attributes),
    ] {
        if names.len() > MAX_ATTRIBUTES {
            let count = names.len();
            return Err(format!(
                "its manifest declares {count} {list}; at most {MAX_ATTRIBUTES} are taken"
            ));
        }
        for name in names {
            field(list, name, MAX_NAME, true)?;
        }
    }
    Ok(())
}

fn field(field: &str, text: &str, max: usize, needed: bool) -> Result<(), String> {
    if needed && text.is_empty() {
        return Err(format!("its manifest has an empty {field}"));
    }
    if text.len() > max {
        let bytes = text.len();
        return Err(format!(
            "its manifest's {field} has {bytes} bytes; at most {max} are taken"
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("its manifest's {field} holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_field_is_named() {
        let good = Manifest {
            name: "standard".into(),
            version: "1.0.0".into(),
            request_attributes: vec!["query.page".into()],
            ..Manifest::default()
        };
        assert_eq!(check(&good), Ok(()));
        for (bad, message) in [
            (
                Manifest {
                    name: String::new(),
                    ..good.clone()
                },
                "empty name",
            ),
            (
                Manifest {
                    version: "1\n2".into(),
                    ..good.clone()
                },
                "version holds a control",
            ),
            (
                Manifest {
                    summary: "x".repeat(1_001),
                    ..good.clone()
                },
                "summary has 1001",
            ),
            (
                Manifest {
                    response_attributes: vec!["a".into(); 129],
                    ..good.clone()
                },
                "129 response-attributes",
            ),
            (
                Manifest {
                    request_attributes: vec![String::new()],
                    ..good
                },
                "empty request-attributes",
            ),
        ] {
            let error = check(&bad).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
