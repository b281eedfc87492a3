//! Names as parts of a request's path.
//!
//! - Nothing that comes from outside gets into a path in another way.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');

/// One segment: whatever it is, it names no other resource.
pub(crate) fn segment(name: &str) -> String {
    let mut path = utf8_percent_encode(name, SEGMENT).to_string();
    // These would be taken out of the path on the way, encoded or not. Nothing is named like this.
    if matches!(name, "." | "..") {
        path.push_str("%20");
    }
    path
}

/// Several segments, as branches have them.
pub(crate) fn segments(name: &str) -> String {
    name.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_segment() {
        assert_eq!(segment("agentd:in-progress"), "agentd%3Ain-progress");
        assert_eq!(segment("dependabot[bot]"), "dependabot%5Bbot%5D");
        assert_eq!(segment("a/../b?c#d e%2f"), "a%2F..%2Fb%3Fc%23d%20e%252f");
        assert_eq!(segment(".."), "..%20");
        assert_eq!(segments("agentd/t-1/ÿ#"), "agentd/t-1/%C3%BF%23");
        assert_eq!(segments("v1.2/./x"), "v1.2/.%20/x");
    }
}
