use std::collections::BTreeMap;

use super::*;

#[derive(Deserialize)]
struct Golden {
    templates: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    messages: Vec<Message>,
    prompt: bool,
    tools: Option<Value>,
    text: Option<String>,
    error: Option<String>,
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}

#[test]
fn texts_are_those_of_transformers() {
    let golden: Golden =
        serde_json::from_slice(include_bytes!("../../../../tests/golden/text/templates.json")).unwrap();
    for case in golden.cases {
        let special = SpecialTokens {
            bos: Some("<bos>".into()),
            eos: Some("<eos>".into()),
            unk: Some("<unk>".into()),
            pad: None,
        };
        let template = ChatTemplate::with(&golden.templates[&case.template], special).unwrap();
        let result = template.render(&case.messages, case.prompt, case.tools);
        match (case.text, case.error) {
            (Some(text), _) => assert_eq!(result.unwrap(), text, "{}: {:?}", case.template, case.messages),
            (None, error) => {
                let line = result.unwrap_err().message;
                assert!(line.contains(&error.unwrap()), "{line}");
            }
        }
    }
}

#[test]
fn templates_are_found_where_models_keep_them() {
    let text = |config: Option<&str>, file: Option<&str>| {
        let template = ChatTemplate::from_files(config.map(str::as_bytes), file.map(str::as_bytes)).unwrap();
        template.map(|template| template.render(&[message("user", "hi")], false, None).unwrap())
    };
    let named = r#"{"bos_token": "<s>", "chat_template": [
        {"name": "tool_use", "template": "no"}, {"name": "default", "template": "{{ bos_token }}yes"}]}"#;
    assert_eq!(text(Some(named), None).unwrap(), "<s>yes");
    assert_eq!(text(Some(named), Some("{{ bos_token }}own")).unwrap(), "<s>own");
    let one = r#"{"eos_token": {"content": "</s>"}, "chat_template": "{{ eos_token }}"}"#;
    assert_eq!(text(Some(one), None).unwrap(), "</s>");
    assert_eq!(text(Some("{}"), None), None);
    assert_eq!(text(None, None), None);
    assert_eq!(ChatTemplate::from_files(Some(b"{"), None).unwrap_err().code, Code::Format);
    let unnamed = br#"{"chat_template": [{"name": "rag", "template": ""}]}"#;
    assert_eq!(ChatTemplate::from_files(Some(unnamed), None).unwrap_err().code, Code::Missing);
    assert_eq!(ChatTemplate::from_files(None, Some(&[0xff])).unwrap_err().code, Code::Format);
}

#[test]
fn the_time_is_known_if_it_was_told() {
    let source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}";
    let mut template = ChatTemplate::new(source, None, None).unwrap();
    assert_eq!(template.render(&[], false, None).unwrap(), "26 Jul 2024");
    template.set_time(Some(951_782_400));
    assert_eq!(template.render(&[], false, None).unwrap(), "29 Feb 2000");
    template.set_time(None);
    assert_eq!(template.render(&[], false, None).unwrap(), "26 Jul 2024");
}

#[test]
fn times_are_those_of_python() {
    let format = "%Y %y %m %B %b %d %A %a %H %I %p %M %S %F %T %%";
    for (seconds, expected) in [
        (0, "1970 70 01 January Jan 01 Thursday Thu 00 12 AM 00 00 1970-01-01 00:00:00 %"),
        (951_826_199, "2000 00 02 February Feb 29 Tuesday Tue 12 12 PM 09 59 2000-02-29 12:09:59 %"),
        (4_107_542_399, "2100 00 02 February Feb 28 Sunday Sun 23 11 PM 59 59 2100-02-28 23:59:59 %"),
        (-1, "1969 69 12 December Dec 31 Wednesday Wed 23 11 PM 59 59 1969-12-31 23:59:59 %"),
    ] {
        assert_eq!(Time(seconds).format(format).unwrap(), expected);
    }
    assert_eq!(Time(0).format("%Q"), None);
    assert_eq!(Time(0).format("%"), None);
    Time(i64::MIN).format(format);
    Time(i64::MAX).format(format);
}

#[test]
fn what_is_wrong_is_told_in_one_line_with_its_place() {
    let error = ChatTemplate::new("\n{% if %}", None, None).unwrap_err();
    assert_eq!(error.code, Code::Format);
    assert!(error.message.starts_with("chat template line 2: ") && !error.message.contains('\n'), "{error}");
    let template = ChatTemplate::new("{{ raise_exception('not\nthis') }}", None, None).unwrap();
    let error = template.render(&[], false, None).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::Input, "chat template line 1: not this"));
}

#[test]
fn no_template_runs_for_ever() {
    let source = "{% for a in range(10000) %}{% for b in range(10000) %}{{ a * b }}{% endfor %}{% endfor %}";
    let template = ChatTemplate::new(source, None, None).unwrap();
    assert_eq!(template.render(&[], false, None).unwrap_err().code, Code::Input);
}
