//! The vectors of [Wycheproof](https://github.com/C2SP/wycheproof), through import and selection of keys to the
//! signature.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::jws::{Jws, MAX_SIGNATURE};
use crate::algorithm::Algorithm;
use crate::jwks::{JwkSet, Kind, Selection};

/// Tests of `json_web_signature_test.json` whose label is not what this crate does, and why.
const WAIVED: [(u64, &str); 8] = [
    (346, "labelled valid: the key is for PS256, the token says PS384"),
    (347, "labelled valid: the key is for an algorithm that does not exist, ES521"),
    (350, "labelled valid: the key is for PS256, the token says PS384"),
    (351, "labelled valid: the key is for an algorithm that does not exist, ES521"),
    (367, "labelled invalid: the same bytes as 357, which is valid; the padding was lost in the file"),
    (370, "labelled invalid: the same bytes as 357, which is valid; the padding was lost in the file"),
    (372, "labelled valid: characters that base64url does not have"),
    (373, "labelled valid: characters that base64url does not have"),
];

/// How many tests were run, and how many of them were accepted.
#[derive(Debug, Default, Eq, PartialEq)]
struct Tally {
    run: usize,
    accepted: usize,
}

impl Tally {
    fn count(&mut self, accepted: bool) {
        self.run += 1;
        self.accepted += usize::from(accepted);
    }
}

fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wycheproof").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The keys of a group: the public ones, where there are any.
fn keys(group: &Value) -> Option<JwkSet> {
    let (key, kind) = match group.get("public") {
        Some(key) => (key, Kind::Public),
        None => (&group["private"], Kind::Secret),
    };
    let document = if key.get("keys").is_some() { key.clone() } else { json!({ "keys": [key] }) };
    JwkSet::parse(document.to_string().as_bytes(), kind).ok()
}

/// All that the verifier does with a token, but for its claims: the payloads are not JSON here.
fn accepts(keys: Option<&JwkSet>, token: &str) -> bool {
    let (Some(keys), Ok(jws)) = (keys, Jws::parse(token.as_bytes())) else { return false };
    let (Ok(header), Ok(_)) = (jws.header(), jws.payload()) else { return false };
    match keys.select(header.key_id.as_deref(), header.algorithm) {
        Selection::Found(key) => {
            let mut buffer = [0; MAX_SIGNATURE];
            jws.signature(&mut buffer).is_ok_and(|signature| key.verify(jws.signed(), signature))
        }
        Selection::Unknown | Selection::Unusable => false,
    }
}

/// Runs the signed tokens of a file. Returns the ids of those where the label says something else.
fn disagreements(name: &str) -> (Tally, Vec<u64>) {
    let (mut tally, mut differing) = (Tally::default(), Vec::new());
    for group in load(name)["testGroups"].as_array().unwrap() {
        let keys = keys(group);
        for test in group["tests"].as_array().unwrap() {
            let Some(token) = test.get("jws") else { continue };
            let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            let accepted = accepts(keys.as_ref(), &token);
            tally.count(accepted);
            if accepted != (test["result"] == "valid") {
                differing.push(test["tcId"].as_u64().unwrap());
            }
        }
    }
    (tally, differing)
}

#[test]
fn signed_tokens_are_judged_as_labelled() {
    let (tally, differing) = disagreements("json_web_signature_test.json");
    // A waiver that is no longer needed fails here too.
    assert_eq!(differing, WAIVED.map(|(id, _)| id));
    // 46 are labelled valid; six of them and two others are waived.
    assert_eq!(tally, Tally { run: 401, accepted: 46 - 6 + 2 });
}

#[test]
fn keys_are_imported_as_labelled() {
    let (tally, differing) = disagreements("json_web_key_test.json");
    assert_eq!(differing, [0_u64; 0]);
    assert_eq!(tally, Tally { run: 26, accepted: 5 });
}

#[test]
fn signed_tokens_with_all_kinds_of_keys_are_judged_as_labelled() {
    let (tally, differing) = disagreements("json_web_crypto_test.json");
    assert_eq!(differing, [0_u64; 0]);
    assert_eq!(tally, Tally { run: 49, accepted: 4 });
}

#[test]
fn an_encrypted_token_is_no_signed_one() {
    let mut tally = Tally::default();
    for group in load("json_web_crypto_test.json")["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let Some(token) = test.get("jwe") else { continue };
            let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            let readable = Jws::parse(token.as_bytes()).and_then(|jws| jws.header().map(drop));
            tally.count(readable.is_ok() || accepts(keys(group).as_ref(), &token));
        }
    }
    assert_eq!(tally, Tally { run: 34, accepted: 0 });
}

#[test]
fn a_set_that_mixes_secrets_with_public_keys_is_refused() {
    let mut sets = 0;
    for name in ["json_web_key_test.json", "json_web_crypto_test.json"] {
        for group in load(name)["testGroups"].as_array().unwrap() {
            if group["comment"] == "jws_mixedSymmetryKeyset" {
                sets += 1;
                assert!(keys(group).is_none(), "{name}");
            }
        }
    }
    assert_eq!(sets, 2);
}

/// One key, for one algorithm, by way of its JWK.
fn import(mut jwk: Value, algorithm: Algorithm, kind: Kind) -> Option<JwkSet> {
    jwk["alg"] = algorithm.name().into();
    JwkSet::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), kind).ok()
}

fn verifies(keys: Option<&JwkSet>, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    match keys.map(|keys| keys.select(None, algorithm)) {
        Some(Selection::Found(key)) => key.verify(message, signature),
        _ => false,
    }
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn ecdsa_signatures_are_judged_as_labelled() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363};

    for (name, algorithm, curve, expected) in [
        (EcdsaSecp256r1Sha256P1363, Algorithm::Es256, "P-256", Tally { run: 262, accepted: 173 }),
        (EcdsaSecp384r1Sha384P1363, Algorithm::Es384, "P-384", Tally { run: 280, accepted: 193 }),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let (form, point) = group.key.key.split_first().unwrap();
            assert_eq!(*form, 4, "an uncompressed point");
            let (x, y) = point.split_at(point.len() / 2);
            let jwk = json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) });
            let keys = import(jwk, algorithm, Kind::Public);
            assert!(keys.is_some(), "{algorithm}: {:?}", group.key);
            for test in group.tests {
                let accepted = verifies(keys.as_ref(), algorithm, &test.msg, &test.sig);
                assert_eq!(accepted, test.result == TestResult::Valid, "{algorithm} {}", test.tc_id);
                tally.count(accepted);
            }
        }
        assert_eq!(tally, expected, "{algorithm}");
    }
}

#[test]
fn ed25519_signatures_are_judged_as_labelled() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(&group.key.pk) });
        let keys = import(jwk, Algorithm::EdDsa, Kind::Public);
        assert!(keys.is_some(), "{:?}", group.key);
        for test in group.tests {
            let accepted = verifies(keys.as_ref(), Algorithm::EdDsa, &test.msg, &test.sig);
            assert_eq!(accepted, test.result == TestResult::Valid, "{}", test.tc_id);
            tally.count(accepted);
        }
    }
    assert_eq!(tally, Tally { run: 151, accepted: 88 });
}

/// An RSA key for one algorithm. A modulus may have a leading zero in these files.
fn rsa_key(n: &[u8], e: &[u8], algorithm: Algorithm) -> Option<JwkSet> {
    import(json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) }), algorithm, Kind::Public)
}

#[test]
fn rsa_signatures_are_judged_as_labelled() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512,
    };

    for (name, run, accepted) in [
        (Rsa2048Sha256, 259, 9),
        (Rsa2048Sha384, 258, 7),
        (Rsa2048Sha512, 259, 8),
        (Rsa3072Sha256, 259, 8),
        (Rsa3072Sha384, 259, 7),
        (Rsa3072Sha512, 260, 8),
        (Rsa4096Sha256, 258, 7),
        (Rsa4096Sha384, 259, 7),
        (Rsa4096Sha512, 259, 7),
    ] {
        assert_eq!(rsa(name), Tally { run, accepted }, "{name:?}");
    }
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn signatures_of_the_largest_rsa_keys_are_judged_as_labelled() {
    use rsa_pkcs1_verify::TestName::{Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512};

    for (name, run) in [(Rsa8192Sha256, 258), (Rsa8192Sha384, 259), (Rsa8192Sha512, 259)] {
        assert_eq!(rsa(name), Tally { run, accepted: 7 }, "{name:?}");
    }
}

fn rsa(name: rsa_pkcs1_verify::TestName) -> Tally {
    let mut tally = Tally::default();
    for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
        let algorithm = match group.hash {
            HashFunction::Sha2_256 => Algorithm::Rs256,
            HashFunction::Sha2_384 => Algorithm::Rs384,
            HashFunction::Sha2_512 => Algorithm::Rs512,
            other => panic!("{other:?}"),
        };
        let keys = rsa_key(&group.key.n, &group.key.e, algorithm);
        assert!(keys.is_some(), "{name:?}: {:?}", group.key);
        for test in group.tests {
            let expected = match test.result {
                TestResult::Valid => true,
                // RFC 8017 §9.2 lets a verifier refuse a digest without its NULL. One message, one signature.
                TestResult::Acceptable => {
                    assert_eq!(test.flags, [rsa_pkcs1_verify::TestFlag::MissingNull]);
                    false
                }
                TestResult::Invalid => false,
            };
            let accepted = verifies(keys.as_ref(), algorithm, &test.msg, &test.sig);
            assert_eq!(accepted, expected, "{name:?} {}", test.tc_id);
            tally.count(accepted);
        }
    }
    tally
}

#[test]
fn pss_signatures_are_judged_as_labelled_if_the_salt_is_as_long_as_the_hash() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha384Mgf1SaltLen48, RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32, RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen64,
    };

    for (name, run, accepted) in [
        (RsaPss2048Sha256Mgf1SaltLen32, 108, 63),
        (RsaPss2048Sha384Mgf1SaltLen48, 141, 95),
        (RsaPss3072Sha256Mgf1SaltLen32, 108, 63),
        (RsaPss4096Sha256Mgf1SaltLen32, 108, 63),
        (RsaPss4096Sha384Mgf1SaltLen48, 141, 95),
        (RsaPss4096Sha512Mgf1SaltLen64, 179, 132),
    ] {
        assert_eq!(pss(name), Tally { run: 3 * run, accepted }, "{name:?}");
    }
}

#[test]
fn pss_signatures_with_other_parameters_are_refused() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha1Mgf1SaltLen20, RsaPss2048Sha256Mgf1SaltLen0, RsaPss2048Sha256Mgf1Sha1_20,
        RsaPss2048Sha512_256Mgf1SaltLen32, RsaPss2048Sha512Mgf1Sha256SaltLen32WithParams,
        RsaPss4096Sha512Mgf1SaltLen32, RsaPssmisc,
    };

    for (name, run, accepted) in [
        (RsaPss2048Sha1Mgf1SaltLen20, 88, 0),
        // The one whose salt has 32 bytes, which is wrong there and right here.
        (RsaPss2048Sha256Mgf1SaltLen0, 103, 1),
        (RsaPss2048Sha256Mgf1Sha1_20, 108, 0),
        (RsaPss2048Sha512_256Mgf1SaltLen32, 115, 0),
        (RsaPss2048Sha512Mgf1Sha256SaltLen32WithParams, 178, 0),
        (RsaPss4096Sha512Mgf1SaltLen32, 177, 0),
        // All combinations of hashes and salts, of which one is right for each of three hashes.
        (RsaPssmisc, 150, 3),
    ] {
        assert_eq!(pss(name), Tally { run: 3 * run, accepted }, "{name:?}");
    }
}

/// Runs each signature against all three algorithms.
fn pss(name: rsa_pss_verify::TestName) -> Tally {
    let mut tally = Tally::default();
    for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
        for (algorithm, hash, length) in [
            (Algorithm::Ps256, HashFunction::Sha2_256, 32),
            (Algorithm::Ps384, HashFunction::Sha2_384, 48),
            (Algorithm::Ps512, HashFunction::Sha2_512, 64),
        ] {
            let keys = rsa_key(&group.key.n, &group.key.e, algorithm);
            assert!(keys.is_some(), "{name:?}: {:?}", group.key);
            for test in &group.tests {
                // A label judges by the salt of the group, a few signatures have another one.
                let changed =
                    test.comment.strip_prefix("s_len changed to ").map(|salt| salt.parse().unwrap());
                let salt = changed.unwrap_or(group.salt_size);
                let sound = test.result == TestResult::Valid || changed.is_some();
                // RFC 7518 §3.5: one hash throughout, and a salt of its length.
                let expected =
                    sound && [Some(group.hash), group.mgf_hash] == [Some(hash); 2] && salt == length;
                let accepted = verifies(keys.as_ref(), algorithm, &test.msg, &test.sig);
                assert_eq!(accepted, expected, "{name:?} {} {algorithm}", test.tc_id);
                tally.count(accepted);
            }
        }
    }
    tally
}

#[test]
fn a_mac_is_judged_as_labelled_if_key_and_tag_are_as_long_as_the_hash() {
    use mac::TestName::{HmacSha256, HmacSha384, HmacSha512};

    for (name, algorithm, bits) in [
        (HmacSha256, Algorithm::Hs256, 256),
        (HmacSha384, Algorithm::Hs384, 384),
        (HmacSha512, Algorithm::Hs512, 512),
    ] {
        let mut tally = Tally::default();
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let jwk = json!({ "kty": "oct", "k": base64url(&test.key) });
                let keys = import(jwk, algorithm, Kind::Secret);
                // RFC 7518 §3.2: a key as long as the hash or longer, and the whole of the tag.
                assert_eq!(keys.is_some(), group.key_size >= bits, "{algorithm} {}", test.tc_id);
                let whole = group.key_size >= bits && group.tag_size == bits;
                let accepted = verifies(keys.as_ref(), algorithm, &test.msg, &test.tag);
                let expected = whole && test.result == TestResult::Valid;
                assert_eq!(accepted, expected, "{algorithm} {}", test.tc_id);
                tally.count(accepted);
            }
        }
        // Of 66 valid ones, half have a tag that is cut short, and three more a key that is too short.
        assert_eq!(tally, Tally { run: 174, accepted: 30 }, "{algorithm}");
    }
}
