//! Splits texts with fields in braces, such as messages and replies.

/// Splits a text at its fields. The error is to be appended to the valid forms.
pub(super) fn pieces<P>(
    text: &str,
    field: impl Fn(&str) -> Option<P>,
    literal: impl Fn(String) -> P,
) -> Result<Vec<P>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from_brace) = rest.split_at(at);
        plain.push_str(before);
        let (brace, after) = from_brace.split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            plain.push_str(brace);
            rest = after;
            continue;
        }
        let named = if brace == "{" { after.split_once('}') } else { None };
        let (name, after) = named.ok_or_else(|| format!("; the brace {brace} stands alone"))?;
        let piece = field(name).ok_or_else(|| format!("; there is no field {{{name}}}"))?;
        if !plain.is_empty() {
            pieces.push(literal(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(literal(plain));
    }
    Ok(pieces)
}
