use proptest::prelude::*;

use super::*;

fn judge(field: &[u8]) -> Result<String, RejectionKind> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
    let (token, _) = BearerToken::take(&mut headers).map_err(|rejection| rejection.kind())?;
    token.check().map_err(|rejection| rejection.kind())?;
    Ok(token.as_str().to_owned())
}

#[test]
fn a_header_is_judged_by_its_structure_and_a_token_by_its_characters() {
    use RejectionKind::{InvalidRequest, InvalidToken, MissingToken};
    for (field, expected) in [
        (&b"Bearer good"[..], Ok("good")),
        (b"bearer good", Ok("good")),
        (b"BEARER good", Ok("good")),
        (b"BeArEr good", Ok("good")),
        (b"Bearer        good", Ok("good")),
        (b" Bearer good", Ok("good")),
        (b"\tBearer good \t ", Ok("good")),
        (b"Bearer a-b.c_d~e+f/g==", Ok("a-b.c_d~e+f/g==")),
        (b"", Err(InvalidRequest)),
        (b"  ", Err(InvalidRequest)),
        (b"Bearer", Err(InvalidRequest)),
        (b"Bearer ", Err(InvalidRequest)),
        (b"Bearer\tgood", Err(InvalidRequest)),
        (b"Bearer \tgood", Err(InvalidRequest)),
        (b"Bearer good extra", Err(InvalidRequest)),
        (b"Bearer good\textra", Err(InvalidRequest)),
        (b"Bearer good, Bearer evil", Err(InvalidRequest)),
        (b"Bearer good,", Err(InvalidRequest)),
        (b"Bearer ,", Err(InvalidRequest)),
        (b"Bearer a=b", Err(InvalidToken)),
        (b"Bearer token=good", Err(InvalidToken)),
        (b"Bearer =", Err(InvalidToken)),
        (b"Bearer a{b}", Err(InvalidToken)),
        (b"Bearer a\"b\"", Err(InvalidToken)),
        (b"Bearer a;b", Err(InvalidToken)),
        (b"Bearer a\\b", Err(InvalidToken)),
        (b"Bearer a:b", Err(InvalidToken)),
        (b"Bearer \xff\xfe", Err(InvalidToken)),
        (b"Bearer caf\xc3\xa9", Err(InvalidToken)),
        (b"Bearer:", Err(MissingToken)),
        (b"Bearer=", Err(MissingToken)),
        (b"Bearerx good", Err(MissingToken)),
        (b"Bearer\xc2\xa0good", Err(MissingToken)),
        (b"\xc3\x28earer good", Err(MissingToken)),
        (b"Basic dTpw", Err(MissingToken)),
        (b"DPoP good", Err(MissingToken)),
        (b"token good", Err(MissingToken)),
        (b"Negotiate good", Err(MissingToken)),
        (b"good", Err(MissingToken)),
    ] {
        assert_eq!(judge(field), expected.map(str::to_owned), "{:?}", String::from_utf8_lossy(field));
    }
}

#[test]
fn sixteen_kibibytes_is_the_limit() {
    let field = |length: usize| format!("Bearer {}", "a".repeat(length));
    assert!(judge(field(MAX_LENGTH).as_bytes()).is_ok());
    assert_eq!(judge(field(MAX_LENGTH + 1).as_bytes()), Err(RejectionKind::InvalidRequest));
    assert!(BearerToken::new(&"a".repeat(MAX_LENGTH + 1)).is_err());
}

#[test]
fn two_lines_are_malformed_even_if_they_are_equal() {
    for second in ["Bearer good", "Basic dTpw"] {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer good"));
        headers.append(AUTHORIZATION, HeaderValue::from_static(second));
        assert_eq!(BearerToken::take(&mut headers).unwrap_err().kind(), RejectionKind::InvalidRequest);
    }
}

#[test]
fn the_field_goes_back_as_it_was_and_sensitive() {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer  good"));
    let (token, slot) = BearerToken::take(&mut headers).unwrap();
    assert_eq!(slot, "");
    token.put_back(slot);
    assert_eq!(headers[AUTHORIZATION], "bearer  good");
    assert!(headers[AUTHORIZATION].is_sensitive());
}

#[test]
fn a_token_is_not_printed() {
    let token = BearerToken::new("S3cr3t-canary").unwrap();
    assert_eq!(format!("{token:?} {token:#?}"), "BearerToken(..) BearerToken(..)");
    assert_eq!(token.fingerprint().len(), 8);
    assert_eq!(token.fingerprint(), BearerToken::new("S3cr3t-canary").unwrap().fingerprint());
}

/// The grammar in one place and another way of writing it: `^[ \t]*(?i:bearer) +token68[ \t]*$`.
fn matches_grammar(field: &[u8]) -> bool {
    let blank = |byte: u8| byte == b' ' || byte == b'\t';
    let mut rest = field;
    while rest.first().is_some_and(|b| blank(*b)) {
        rest = &rest[1..];
    }
    while rest.last().is_some_and(|b| blank(*b)) {
        rest = &rest[..rest.len() - 1];
    }
    if rest.len() < 8 || !rest[..6].eq_ignore_ascii_case(b"bearer") || rest[6] != b' ' {
        return false;
    }
    let token: Vec<u8> = rest[6..].iter().copied().skip_while(|b| *b == b' ').collect();
    let text: Vec<u8> = token.iter().copied().take_while(|b| *b != b'=').collect();
    !text.is_empty()
        && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(b))
        && token[text.len()..].iter().all(|b| *b == b'=')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn near_misses_are_judged_by_the_grammar(field in "[ \t]{0,2}([Bb]earer|bear|basic)?[ \t:=,]{0,3}[a-zA-Z0-9._~+/=,\" -]{0,12}[ \t]?") {
        prop_assert_eq!(judge(field.as_bytes()).is_ok(), matches_grammar(field.as_bytes()), "{:?}", field);
    }

    #[test]
    fn arbitrary_bytes_never_panic(field in proptest::collection::vec(any::<u8>(), 0..64)) {
        if HeaderValue::from_bytes(&field).is_ok() {
            prop_assert_eq!(judge(&field).is_ok(), matches_grammar(&field));
        }
    }
}
