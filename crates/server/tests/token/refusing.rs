//! Tokens that are not accepted, each with its reason.

use super::*;

/// A token with this header, signed as HS256 with these bytes.
fn forged(header: Value, claims: &str, secret: &[u8]) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(&header.to_string()), encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

#[test]
fn an_algorithm_that_the_key_does_not_have_is_refused() {
    let (rsa, own) = (whole("rsa", true), secret("own"));
    let public = PEMS[0].2.as_bytes();
    for header in [
        // The public key as if it were a secret.
        json!({"alg": "HS256", "kid": "rsa"}),
        json!({"alg": "none", "kid": "own"}),
        json!({"alg": "None"}),
        json!({"alg": ""}),
        json!({"kid": "own"}),
        json!({"alg": "hs256", "kid": "own"}),
        json!({"alg": "HS512", "kid": "own"}),
        json!({"alg": "RS256", "kid": "own"}),
        json!({"alg": "ES256"}),
        json!({"alg": "ES256K"}),
    ] {
        let token = forged(header.clone(), r#"{"sub":"ann"}"#, public);
        assert_eq!(
            refusal(&[&rsa, &own], &token),
            Some(Refusal::Algorithm),
            "{header}"
        );
    }
    // Without a name it is tried with secrets only, and is none of theirs.
    let token = forged(json!({"alg": "HS256"}), "{}", public);
    assert_eq!(refusal(&[&rsa, &own], &token), Some(Refusal::Signature));
    assert_eq!(refusal(&[&rsa], &token), Some(Refusal::Algorithm));
}

#[test]
fn a_token_without_a_signature_is_refused_whatever_it_says() {
    let own = secret("own");
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": "own"}),
    ] {
        let token = forged(header, "{}", SECRET.as_bytes());
        let (message, _) = token.rsplit_once('.').unwrap();

        let bare = refusal(&[&own], &format!("{message}."));

        assert!(
            matches!(bare, Some(Refusal::Algorithm | Refusal::Signature)),
            "{bare:?}"
        );
        assert_eq!(refusal(&[&own], message), Some(Refusal::Malformed));
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let own = secret("own");
    let good = signed(&own, json!({}));
    let (header, rest) = good.split_once('.').unwrap();
    let crit = json!({"alg": "HS256", "kid": "own", "crit": ["exp"]});
    let empty = json!({"alg": "HS256", "kid": "own", "crit": []});
    let number = json!({"alg": "HS256", "kid": 7});
    let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","alg":"HS256","kid":"own"}"#);
    let secret = SECRET.as_bytes();
    for token in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "\u{e4}.\u{e4}.\u{e4}",
        &format!("{good}.x"),
        &format!(" {good}"),
        &format!("{header}=.{rest}"),
        &format!("{twice}.{rest}"),
        &forged(crit, "{}", secret),
        &forged(empty, "{}", secret),
        &forged(number, "{}", secret),
        &forged(json!(["HS256"]), "{}", secret),
        &signed(&own, json!({"info": "x".repeat(8192)})),
    ] {
        assert_eq!(
            refusal(&[&own], token),
            Some(Refusal::Malformed),
            "{token:.60}"
        );
    }
}

#[test]
fn claims_that_are_not_what_they_must_be_are_refused() {
    let own = secret("own");
    for claims in [
        "",
        "[]",
        r#"["ann"]"#,
        "null",
        r#"{"sub":7}"#,
        r#"{"exp":"soon"}"#,
        r#"{"nbf":[]}"#,
        r#"{"aud":7}"#,
        r#"{"iss":["a"]}"#,
        r#"{"channels":"a"}"#,
        r#"{"channel":7}"#,
        r#"{"sub":"ann","sub":"bob"}"#,
    ] {
        let token = forged(
            json!({"alg": "HS256", "kid": "own"}),
            claims,
            SECRET.as_bytes(),
        );
        assert_eq!(refusal(&[&own], &token), Some(Refusal::Claims), "{claims}");
    }
}

#[test]
fn time_counts_with_the_leeway_of_clocks() {
    let own = secret("own");
    let hour = std::time::Duration::from_secs(3600);
    for (claims, leeway, expected) in [
        (json!({"exp": now() + 60}), 0, None),
        (json!({"exp": now() as f64 + 60.5}), 0, None),
        (json!({"exp": 1e300}), 0, None),
        (json!({"exp": now()}), 0, Some(Refusal::Expired)),
        (json!({"exp": -1}), 1, Some(Refusal::Expired)),
        (json!({"exp": now() - 60}), 1, None),
        (json!({"exp": now() - 7200}), 1, Some(Refusal::Expired)),
        (json!({"nbf": now()}), 0, None),
        (json!({"nbf": now() + 60}), 0, Some(Refusal::Early)),
        (json!({"nbf": now() + 60}), 1, None),
        (json!({"nbf": 1e300}), 1, Some(Refusal::Early)),
    ] {
        let rules = Rules {
            leeway: hour * leeway,
            ..Rules::default()
        };
        let verdict = verdict(&[&own], &rules, &signed(&own, claims.clone()));

        assert_eq!(verdict.err(), expected, "{claims}");
    }
}

#[test]
fn a_token_is_for_us_and_by_those_we_know() {
    let own = secret("own");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (audience, issuer, claims, expected) in [
        (&[][..], &[][..], json!({}), None),
        (&[], &[], json!({"aud": "a"}), Some(Refusal::Audience)),
        (&["a"], &[], json!({}), Some(Refusal::Audience)),
        (&["a"], &[], json!({"aud": "b"}), Some(Refusal::Audience)),
        (&["a"], &[], json!({"aud": []}), Some(Refusal::Audience)),
        (&["a", "b"], &[], json!({"aud": "b"}), None),
        (&["a"], &[], json!({"aud": ["x", "a"]}), None),
        (&[], &[], json!({"iss": "i"}), None),
        (&[], &["i"], json!({"iss": "i"}), None),
        (&[], &["i", "j"], json!({"iss": "j"}), None),
        (&[], &["i"], json!({"iss": "I"}), Some(Refusal::Issuer)),
        (&[], &["i"], json!({}), Some(Refusal::Issuer)),
    ] {
        let rules = Rules {
            audience: names(audience),
            issuer: names(issuer),
            ..Rules::default()
        };
        let verdict = verdict(&[&own], &rules, &signed(&own, claims.clone()));

        assert_eq!(
            verdict.err(),
            expected,
            "{claims} for {audience:?} by {issuer:?}"
        );
    }
}

#[test]
fn no_word_about_a_refusal_repeats_the_token() {
    let own = secret("own");
    let token = signed(&secret("canary"), json!({"sub": "canary"}));

    let refusal = refusal(&[&own], &token).unwrap();

    assert!(!format!("{refusal} {refusal:?} {own:?}").contains("canary"));
    let words: std::collections::HashSet<_> = Refusal::ALL.map(Refusal::word).into();
    assert_eq!(words.len(), Refusal::ALL.len());
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    let own = secret("own");
    let good = signed(&own, json!({"sub": "ann", "channels": ["chat:a"]}));
    for at in 0..good.len() {
        for other in ["A", "z", "-", ".", "=", " ", ""] {
            let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
            if changed != good {
                assert!(refusal(&[&own], &changed).is_some(), "{changed}");
            }
        }
    }
}
