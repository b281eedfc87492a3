//! The tokens that Apps sign themselves, and keys to sign them with.

use crate::state::State;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// A key for an App, made for one test.
pub struct KeyPair {
    /// PKCS#8 as PEM, as the App's owner keeps it.
    pub private: String,
    /// As PEM, as GitHub keeps it.
    pub public: String,
}

impl KeyPair {
    /// A new RSA key of 2048 bits.
    #[must_use]
    pub fn generate() -> KeyPair {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        let private: Pkcs8V1Der<'_> = pair.as_der().expect("a key can be written");
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a key can be written");
        KeyPair { private: pem("PRIVATE KEY", private.as_ref()), public: pem("PUBLIC KEY", public.as_ref()) }
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|it| std::str::from_utf8(it).ok()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let text: String = pem.lines().filter(|it| !it.starts_with("-----")).map(str::trim).collect();
    BASE64_STANDARD.decode(text).ok()
}

/// The App that signed it; the text is what GitHub says of a bad one.
pub(super) fn app(state: &State, text: &str) -> Result<u64, String> {
    let bad = || "A JSON web token could not be decoded".to_owned();
    let mut parts = text.split('.');
    let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad());
    };
    let signed = format!("{header}.{claims}");
    let json =
        |part: &str| -> Option<Value> { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (header, claims) = (json(header).ok_or_else(bad)?, json(claims).ok_or_else(bad)?);
    if header["alg"] != "RS256" {
        return Err(bad());
    }
    let issuer = claims["iss"].as_u64().or_else(|| claims["iss"].as_str()?.parse().ok());
    let app = state.apps.iter().find(|it| Some(it.id) == issuer).ok_or("Integration not found")?;
    let now = state.now().div_euclid(1000);
    let (from, until) = (claims["iat"].as_i64().ok_or_else(bad)?, claims["exp"].as_i64().ok_or_else(bad)?);
    if until <= now {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
                    assertion expires"
                .to_owned(),
        );
    }
    if until > now + 600 {
        return Err("'Expiration time' claim ('exp') is too far in the future".to_owned());
    }
    if from > now {
        return Err("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
            .to_owned());
    }
    let key = der(&app.public_key).ok_or_else(bad)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad())?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    key.verify(signed.as_bytes(), &signature).map_err(|_| bad())?;
    Ok(app.id)
}
