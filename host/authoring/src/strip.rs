//! Takes debug information out of a component, or a module, and leaves names where they are.
//!
//! Both are lists of sections: a byte that says which, a length, and content. Sections that hold modules or components
//! are gone into. What is no such list is given back as it came: whether it is whole is for others to say.

/// Custom sections that are kept: what stacks are made readable by, and what a component says of itself.
const DEBUG: &str = ".debug_";

const CUSTOM: u8 = 0;
/// In a component.
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

const HEAD_BYTES: usize = 8;
/// How deep components lie in each other at most.
const DEPTH: usize = 8;

/// The same without its `.debug_*` sections.
pub(crate) fn debug(bytes: &[u8]) -> Vec<u8> {
    stripped(bytes, DEPTH).unwrap_or_else(|| bytes.to_vec())
}

fn stripped(bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
    let head = bytes.get(..HEAD_BYTES)?;
    let (kind, depth) = (is_component(head)?, depth.checked_sub(1)?);
    let mut out = head.to_vec();
    let mut rest = &bytes[HEAD_BYTES..];
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = length(after)?;
        let content = after.get(..length)?;
        rest = &after[length..];
        let nested = kind && (id == CORE_MODULE || id == COMPONENT);
        if id == CUSTOM && custom_name(content)?.starts_with(DEBUG) {
            continue;
        }
        let content = if nested { stripped(content, depth)? } else { content.to_vec() };
        out.push(id);
        put_length(&mut out, content.len());
        out.extend(content);
    }
    Some(out)
}

fn is_component(head: &[u8]) -> Option<bool> {
    match head {
        [0, b'a', b's', b'm', 1, 0, 0, 0] => Some(false),
        [0, b'a', b's', b'm', _, 0, 1, 0] => Some(true),
        _ => None,
    }
}

/// Whether the bytes begin as a core module does.
pub(crate) fn is_core_module(bytes: &[u8]) -> bool {
    bytes.get(..HEAD_BYTES).and_then(is_component) == Some(false)
}

fn custom_name(content: &[u8]) -> Option<&str> {
    let (length, after) = length(content)?;
    std::str::from_utf8(after.get(..length)?).ok()
}

/// A number of seven bits a byte, lowest first.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[place + 1..]));
        }
    }
    None
}

fn put_length(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];
    const HOLDER: [u8; 8] = [0, b'a', b's', b'm', 13, 0, 1, 0];

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![id];
        put_length(&mut out, content.len());
        out.extend(content);
        out
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let mut inner = vec![u8::try_from(name.len()).unwrap()];
        inner.extend(name.as_bytes());
        inner.extend(content);
        section(CUSTOM, &inner)
    }

    #[test]
    fn debug_sections_go_and_names_stay() {
        let module = |debug: bool| {
            let mut out = MODULE.to_vec();
            out.extend(section(1, &[0; 200]));
            if debug {
                out.extend(custom(".debug_info", &[7; 300]));
            }
            out.extend(custom("name", &[1, 2]));
            out
        };
        assert_eq!(debug(&module(true)), module(false));
        let component = |inner: &[u8]| [&HOLDER[..], &section(CORE_MODULE, inner), &section(7, &[3])].concat();
        assert_eq!(debug(&component(&module(true))), component(&module(false)));
        let nested = |inner: &[u8]| [&HOLDER[..], &section(COMPONENT, &component(inner))].concat();
        assert_eq!(debug(&nested(&module(true))), nested(&module(false)));
    }

    #[test]
    fn what_is_no_module_is_left_alone() {
        for bytes in [&b""[..], b"\0asm", b"hello, world", &[&MODULE[..], &[0, 200, 1]].concat()] {
            assert_eq!(debug(bytes), bytes);
        }
        assert!(is_core_module(&MODULE) && !is_core_module(&HOLDER) && !is_core_module(b"x"));
    }
}
