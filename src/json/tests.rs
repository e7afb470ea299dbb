use proptest::prelude::*;

use super::reader::MAX_DEPTH;
use super::*;

fn accepts(text: &str) -> bool {
    Object::parse(text.as_bytes()).is_ok()
}

#[test]
fn an_object_is_read_member_by_member() {
    let object =
        Object::parse(br#" { "a" : "x" , "b":[1, "two", {"c":null}], "n":-1.5e2, "t":true } "#).unwrap();
    assert_eq!(object.string("a").unwrap().unwrap(), "x");
    assert_eq!(object.get("n").unwrap().number(), Some(-150.0));
    let elements = object.get("b").unwrap().elements().unwrap();
    assert_eq!(elements.iter().map(|e| e.text()).collect::<Vec<&str>>(), ["1", "\"two\"", "{\"c\":null}"]);
    assert!(object.has("t") && !object.has("u"));
    assert_eq!(object.string("t"), Err(Malformed));
}

#[test]
fn a_string_and_an_array_of_strings_are_strings() {
    for (value, expected) in [
        (r#""a""#, true),
        ("[]", true),
        (r#"[ "a" , "b\"" ]"#, true),
        ("7", false),
        ("null", false),
        ("{}", false),
        (r#"["a",7]"#, false),
        (r#"[7,"a"]"#, false),
        (r#"["a",["b"]]"#, false),
        ("[[]]", false),
    ] {
        let text = format!("{{\"v\":{value}}}");
        let value = Object::parse(text.as_bytes()).unwrap().get("v").unwrap();
        assert_eq!(value.is_strings(), expected, "{text}");
        assert_eq!(value.each_string(|_| ()).is_some(), expected, "{text}");
    }
}

#[test]
fn what_is_not_one_strict_object_is_malformed() {
    for text in [
        "",
        " ",
        "[]",
        "\"x\"",
        "7",
        "null",
        "{",
        "}",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e400}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":truee}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"",
        "{/**/}",
        "{\"a\":1}//",
        "{}\0",
        "{\"$serde_json::private::Number\":\"1\"}",
    ] {
        assert!(!accepts(text), "{text:?}");
    }
    assert_eq!(Object::parse(b"{\"a\":\"\xff\"}").unwrap_err(), Malformed);
}

#[test]
fn a_repeated_name_is_malformed_however_it_is_spelled() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"{"x":[{"b":{},"a":1,"a":2}]}"#,
    ] {
        assert!(!accepts(text), "{text}");
    }
    for text in [
        r#"{"":1,"a":2}"#,
        r#"{"12345678":1,"123456789":2,"1234567":3}"#,
        r#"{"a":1,"A":1}"#,
        r#"{"a":{"a":{"a":1}}}"#,
        r#"{"a":[{"a":1},{"a":1}],"b":{"a":1}}"#,
    ] {
        assert!(accepts(text), "{text}");
    }
    assert!(Object::parse_outer(br#"{"x":[{"a":1,"a":2}]}"#).is_ok());
    assert!(Object::parse_outer(br#"{"x":1,"x":2}"#).is_err());
}

#[test]
fn depth_is_bounded_on_a_small_stack() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(accepts(&nested(MAX_DEPTH - 1)));
    assert!(!accepts(&nested(MAX_DEPTH)));
    let deep = nested(1_000_000);
    let small = std::thread::Builder::new().stack_size(64 * 1024);
    let refused = small.spawn(move || !accepts(&deep)).unwrap().join().unwrap();
    assert!(refused);
}

#[test]
fn a_number_is_accepted_if_it_is_surely_a_double() {
    let long = |digits: usize| "9".repeat(digits);
    for (number, expected) in [
        ("1e307".to_owned(), true),
        ("9.9e307".to_owned(), true),
        ("1e308".to_owned(), false),
        ("-1e308".to_owned(), false),
        ("10e307".to_owned(), false),
        ("0.1e308".to_owned(), true),
        ("0.01e310".to_owned(), false),
        ("0e999999999999999999999".to_owned(), true),
        ("-0.00e400".to_owned(), true),
        ("1e-999999999999999999999".to_owned(), true),
        ("1e999999999999999999999".to_owned(), false),
        ("1E+400".to_owned(), false),
        (long(308), true),
        (long(309), false),
        (format!("0.{}", long(400)), true),
        (format!("0.{}1e900", "0".repeat(600)), true),
        (format!("{}e-200", long(400)), true),
    ] {
        let text = format!("{{\"a\":{number}}}");
        assert_eq!(accepts(&text), expected, "{number}");
        if expected {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(value["a"].as_f64().unwrap().is_finite(), "{number}");
        }
    }
}

#[test]
fn the_number_of_members_is_bounded() {
    let object = |members: usize| {
        let members: Vec<String> = (0..members).map(|number| format!("\"{number}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(accepts(&object(MAX_MEMBERS)));
    assert!(!accepts(&object(MAX_MEMBERS + 1)));
    assert!(!accepts(&format!("{{\"a\":{}}}", object(MAX_MEMBERS + 1))));
}

#[test]
fn escapes_are_decoded() {
    let object = Object::parse(br#"{"\u0069ss":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00x"}"#).unwrap();
    assert_eq!(object.string("iss").unwrap().unwrap(), "\"\\/\u{8}\u{c}\n\r\té😀x");
}

proptest! {
    #[test]
    fn no_input_panics_and_what_is_accepted_is_json(text in "[ -~\\n]{0,80}") {
        if accepts(&text) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Object::parse(&bytes);
    }

    #[test]
    fn near_misses_are_judged_as_the_json_library_does(
        text in r#"\{("(a|b|\\u006[12]|\\ud83d\\ude00|é)":("x\\n"|1|-0|1e5|0.5|\[1,\{\}\]|null|01|\[,\]),?){0,3}\}"#,
    ) {
        let library = serde_json::from_str::<serde_json::Value>(&text);
        if accepts(&text) {
            prop_assert!(library.is_ok(), "{}", text);
        } else if let Ok(serde_json::Value::Object(members)) = library {
            // The one thing that we refuse and the library does not: a repeated name.
            prop_assert!(members.len() < text.matches("\":").count(), "{}", text);
        }
    }

    #[test]
    fn strings_round_trip(text in "\\PC{0,20}") {
        let object = serde_json::json!({ "s": text }).to_string();
        let object = Object::parse(object.as_bytes()).unwrap();
        prop_assert_eq!(object.string("s").unwrap().unwrap(), text);
    }
}
