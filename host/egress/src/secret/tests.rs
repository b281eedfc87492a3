//! What is found, where, and what is not.

use super::*;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

const SECRET: &str = "tr0ub4dor&3/\"horse\"?~ÿ";

fn scan() -> SecretScan {
    SecretScan::new(vec!["short".into(), SECRET.into(), "another-value-1".into()])
}

#[track_caller]
fn check(text: impl AsRef<[u8]>, expected: Option<usize>) {
    let text = text.as_ref();
    assert_eq!(scan().find(text), expected, "{}", String::from_utf8_lossy(text));
}

#[test]
fn a_secret_is_found_where_it_stands() {
    check(format!("key = {SECRET}\n"), Some(6));
    check(SECRET, Some(0));
    check(format!("{} another-value-1", "x".repeat(100_000)), Some(100_001));
    check("nothing here, and nothing short either", None);
    check(&SECRET[..SECRET.len() - 4], None);
    check("", None);
    assert_eq!(SecretScan::new(vec![]).find(b"anything"), None);
    assert_eq!(SecretScan::new(vec!["".into()]).find(b"anything"), None);
}

#[test]
fn a_secret_is_found_in_base64_whatever_stands_around_it() {
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            let text = format!("{before}{SECRET}{after}");
            assert!(scan().find(STANDARD.encode(&text).as_bytes()).is_some(), "{text}");
            assert!(scan().find(URL_SAFE.encode(&text).as_bytes()).is_some(), "{text}");
        }
    }
}

#[test]
fn a_secret_is_found_percent_encoded_in_hex_and_in_json() {
    let all: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let some = SECRET.replace('&', "%26").replace('/', "%2F");
    check(format!("?a=%20%20b&key={all}"), Some(15));
    check(format!("100% of key={some}"), Some(12));
    check(hex::encode(SECRET), Some(0));
    check(hex::encode_upper(SECRET), Some(0));
    check(format!("{{\"key\":{}}}", "\"tr0ub4dor&3/\\\"horse\\\"?~ÿ\""), Some(8));
    let (twice, thrice) = (all.replace('%', "%25"), all.replace('%', "%2525"));
    check(format!("?u=%20&key={twice}"), Some(11));
    check(format!("%2520{thrice}"), Some(5));
    check("%", None);
    check("%zz %4", None);
}

#[test]
fn a_key_of_several_lines_is_found_in_a_diff() {
    let key = "-----BEGIN THING-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQ\n-----END THING-----\n";
    let scan = SecretScan::new(vec![key.into()]);
    assert_eq!(scan.find(b"+-----BEGIN THING-----\n+MIIEvQIBADANBgkqhkiG9w0BAQEF\n"), Some(24));
    assert_eq!(scan.find(b"+-----BEGIN THING-----\n"), None);
}

#[test]
fn the_path_of_a_secret_url_is_found_by_itself() {
    let scan = SecretScan::new(vec!["https://hooks.acme.com/services/T0/B0/x".into(), "https://acme.com/hook".into()]);
    assert_eq!(scan.find(b"curl $HOST/services/T0/B0/x"), Some(10));
    assert_eq!(scan.find(b"see https://hooks.acme.com/ and /hook"), None);
}

#[test]
fn nothing_shows_the_secrets() {
    assert!(!format!("{:?}", scan()).contains("tr0ub"));
}

#[track_caller]
fn check_pattern(text: &str, expected: Option<&str>) {
    assert_eq!(find_pattern(format!("x = '{text}'").as_bytes()), expected.map(|name| (name, 5)), "{text}");
}

/// The tokens are put together here, so that no scanner of this repository takes them for real ones.
#[test]
fn tokens_of_well_known_services_are_known_by_their_look() {
    let tail = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6";
    check_pattern(&format!("ghp_{tail}"), Some("GitHub token"));
    check_pattern(&format!("ghs_{tail}"), Some("GitHub token"));
    check_pattern(&format!("github_pat_{tail}"), Some("GitHub fine-grained token"));
    check_pattern(&format!("glpat-{}", &tail[..20]), Some("GitLab token"));
    check_pattern(&format!("AKIA{}", "Q3EGUZ7HJ2PLM4XW"), Some("AWS access key"));
    check_pattern(&format!("sk-ant-api03-{tail}"), Some("Anthropic key"));
    check_pattern(&format!("sk-proj-{tail}"), Some("OpenAI key"));
    check_pattern(&format!("sk-{}", &tail[..48]), Some("OpenAI key"));
    check_pattern(&format!("xoxb-{}", &tail[..24]), Some("Slack token"));
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        check_pattern(&format!("-----BEGIN {kind}PRIVATE KEY-----"), Some("private key"));
    }
    check_pattern(&format!("-----BEGIN PGP PRIVATE KEY {}-----", "BLOCK"), Some("private key"));
}

#[test]
fn prose_and_placeholders_are_no_tokens() {
    for text in [
        "ghp_xxx",
        "ghp_",
        "github_pat_...",
        "task-abcdefghijklmnopqrstuvwxyz0123456789",
        "sk-circle-fade-dot-and-a-very-long-class-name-that-goes-on",
        "sk-...",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIA_NOT",
        "xoxb-your-token",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
    ] {
        check_pattern(text, None);
    }
}

#[test]
fn the_first_token_counts_and_bytes_need_not_be_text() {
    let tail = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0";
    let text = [b"\xff\xfe-----BEGIN PRIVATE KEY-----\n".as_slice(), format!("ghp_{tail}").as_bytes()].concat();
    assert_eq!(find_pattern(&text), Some(("private key", 2)));
}
