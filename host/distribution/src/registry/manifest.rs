//! Manifests: what a plugin looks like in a registry.
//!
//! An artifact of one layer, `application/wasm`, with the config type that the WebAssembly working group's guidance and
//! its tools (`wash`, `wkg`, `spin`) use. A signature is an artifact of its own that refers to the plugin's manifest by
//! `subject`, and is found by a tag made of its digest, which works with registries that know no referrers.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST_BYTES_MAX: u64 = 4 << 20;
pub(super) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The config of an artifact that has none.
pub(super) const EMPTY_BYTES: &[u8] = b"{}";
const WASM: &str = "application/wasm";
/// What older tools called it.
const WASM_OLD: [&str; 2] =
    ["application/vnd.wasm.content.layer.v1+wasm", "application/vnd.module.wasm.content.layer.v1+wasm"];
const SIGNATURE: &str = "application/vnd.agentd.minisign.v1";

/// A manifest, with the digest that its bytes have.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// `sha256:…`.
    pub(crate) digest: String,
    bytes: Vec<u8>,
    value: Value,
}

/// What a manifest says of a blob or another manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) digest: String,
    /// In bytes.
    pub(crate) size: u64,
}

/// A manifest, seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) digest: String,
    pub(crate) size: usize,
}

impl Manifest {
    pub(crate) fn read(bytes: &[u8]) -> Result<Manifest, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| "its manifest is not JSON")?;
        if value["schemaVersion"] != 2 {
            return Err("its manifest is of a kind that is not known here".into());
        }
        Ok(Manifest { digest: digest(bytes), bytes: bytes.to_vec(), value })
    }

    pub(crate) fn described(&self) -> Described {
        Described { digest: self.digest.clone(), size: self.bytes.len() }
    }

    /// Of an index the one manifest that is for WebAssembly; none: this is no index.
    pub(super) fn only_child(&self) -> Result<Option<String>, String> {
        let Some(all) = self.value["manifests"].as_array() else { return Ok(None) };
        let wasm: Vec<_> = all.iter().filter(|it| it["platform"]["architecture"] == "wasm").collect();
        let candidates = if wasm.is_empty() { all.iter().collect() } else { wasm };
        match candidates.as_slice() {
            [one] => descriptor(one).map(|it| Some(it.digest)),
            _ => Err(format!("there are {} things under that name, and none is the plugin alone", candidates.len())),
        }
    }

    /// The plugin's file.
    pub(crate) fn layer(&self) -> Result<Descriptor, String> {
        self.one_layer("plugin", |it| it == WASM || WASM_OLD.contains(&it))
    }

    pub(super) fn signature_layer(&self) -> Result<Descriptor, String> {
        self.one_layer("signature", |it| it == SIGNATURE)
    }

    fn one_layer(&self, what: &str, is_kind: impl Fn(&str) -> bool) -> Result<Descriptor, String> {
        let layers = self.value["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found: Vec<_> = layers.iter().filter(|it| it["mediaType"].as_str().is_some_and(&is_kind)).collect();
        match (found.as_slice(), layers.first().and_then(|it| it["mediaType"].as_str())) {
            ([one], _) => descriptor(one),
            ([], Some(first)) => {
                let first: String = first.chars().filter(|it| it.is_ascii_graphic()).take(80).collect();
                Err(format!("that is no {what}: what lies there is {first}"))
            }
            ([], None) => Err(format!("that is no {what}: there is nothing in it")),
            (many, _) => Err(format!("that is no {what}: there are {} files in it", many.len())),
        }
    }
}

/// The bytes of a plugin's manifest.
pub(super) fn of_plugin(name: &str, version: &str, config: &[u8], layer: &Descriptor, created: &str) -> Vec<u8> {
    let value = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest(config), "size": config.len() },
        "layers": [{
            "mediaType": WASM,
            "digest": layer.digest,
            "size": layer.size,
            "annotations": { "org.opencontainers.image.title": format!("{name}.wasm") },
        }],
        "annotations": {
            "org.opencontainers.image.created": created,
            "org.opencontainers.image.title": name,
            "org.opencontainers.image.version": version,
        },
    });
    value.to_string().into_bytes()
}

/// The config that the WebAssembly guidance asks for.
pub(super) fn config(layer: &str, exports: &[String], created: &str) -> Vec<u8> {
    let value = json!({
        "created": created,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer],
        "component": { "exports": exports, "imports": [] },
    });
    value.to_string().into_bytes()
}

/// The bytes of a signature's manifest.
pub(super) fn of_signature(text: &str, subject: &Described) -> Vec<u8> {
    let value = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": SIGNATURE,
        "config": { "mediaType": EMPTY, "digest": digest(EMPTY_BYTES), "size": EMPTY_BYTES.len() },
        "layers": [{ "mediaType": SIGNATURE, "digest": digest(text.as_bytes()), "size": text.len() }],
        "subject": { "mediaType": MANIFEST, "digest": subject.digest, "size": subject.size },
    });
    value.to_string().into_bytes()
}

/// Where the signature of a manifest is found: `sha256-HEX.minisig`.
pub(super) fn signature_tag(manifest: &str) -> String {
    format!("{}.minisig", manifest.replace(':', "-"))
}

pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The code of a registry's error, if it is one word as the standard has them.
pub(super) fn error_code(bytes: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let code = value["errors"][0]["code"].as_str()?;
    (code.len() <= 40 && code.bytes().all(|it| it.is_ascii_uppercase() || it == b'_')).then(|| code.to_owned())
}

fn descriptor(value: &Value) -> Result<Descriptor, String> {
    match (value["digest"].as_str(), value["size"].as_u64()) {
        (Some(digest), Some(size)) if crate::source::is_digest(digest) => {
            Ok(Descriptor { digest: digest.into(), size })
        }
        _ => Err("its manifest names something without digest and size".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(layers: Value, expected: Result<u64, &str>) {
        let bytes = json!({ "schemaVersion": 2, "layers": layers }).to_string();
        let found = Manifest::read(bytes.as_bytes()).unwrap().layer();
        match (found, expected) {
            (Ok(found), Ok(size)) => assert_eq!(found.size, size),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plugin_is_one_layer_of_webassembly() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let layer = |kind: &str| json!({ "mediaType": kind, "digest": digest, "size": 7 });
        check(json!([layer(WASM)]), Ok(7));
        check(json!([layer(WASM_OLD[0]), layer("text/plain")]), Ok(7));
        check(json!([layer(WASM), layer(WASM)]), Err("2 files"));
        check(json!([layer("application/vnd.oci.image.layer.v1.tar+gzip")]), Err("layer.v1.tar+gzip"));
        check(json!([]), Err("nothing in it"));
        check(json!([{ "mediaType": WASM, "digest": "sha256:../../x", "size": 7 }]), Err("without digest"));
        check(json!([{ "mediaType": WASM, "digest": digest, "size": -1 }]), Err("without digest"));
        for bad in ["", "[]", r#"{"schemaVersion":1}"#] {
            assert!(Manifest::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_registry_says_is_repeated_only_if_it_is_a_code() {
        assert_eq!(error_code(br#"{"errors":[{"code":"DENIED","message":"x"}]}"#).as_deref(), Some("DENIED"));
        assert_eq!(error_code(b"{\"errors\":[{\"code\":\"\x1b[2J\"}]}"), None);
        assert_eq!(error_code(b"no"), None);
    }
}
