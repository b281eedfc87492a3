//! What each kind of update becomes.

use super::*;

/// An event in one line.
pub(crate) fn shown(event: &Event) -> String {
    match &event.happening {
        Happening::Started(it) => {
            let session = it.session.as_ref().map_or("no session", |_| "session");
            format!("started {session} {} {}", it.model.as_deref().unwrap_or("?"), it.version.as_deref().unwrap_or("?"))
        }
        Happening::Message(it) => {
            let verb = if it.thinking { "thinks" } else { "says" };
            format!("{verb} {:?}{}", it.text, if it.partial { " …" } else { "" })
        }
        Happening::ToolCall(it) => format!("call {} {} {}", it.id, it.name, it.input),
        Happening::ToolResult(it) => {
            format!("result {} {} {:?}", it.id, if it.failed { "failed" } else { "ok" }, it.output)
        }
        Happening::Usage(it) => format!(
            "usage {} in {} out {} read {} written {}",
            it.model, it.input_tokens, it.output_tokens, it.cache_read_tokens, it.cache_write_tokens
        ),
        Happening::Window(it) => format!("window {} exhausted {}", it.name, it.exhausted),
        Happening::Notice(it) => format!("{:?} {} {:?}", it.weight, it.code, it.text),
        Happening::Other(it) => format!("note {} {:?}", it.kind, it.content),
    }
}

#[track_caller]
fn check(updates: &[&str], expected: &[&str]) {
    let (mut all, mut seen, mut events) = (Updates::default(), Seen::default(), vec![]);
    for update in updates {
        all.take(&serde_json::from_str(update).expect("JSON"), &mut seen, &mut events);
    }
    all.end(&mut seen, &mut events);
    assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), expected);
}

#[test]
fn pieces_of_words_are_one_message_until_something_else_comes() {
    let says = r#"{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"a "}}"#;
    let thinks = r#"{"sessionUpdate":"agent_thought_chunk","content":{"type":"text","text":"b"}}"#;
    let plan = r#"{"sessionUpdate":"plan","entries":[{"content":"x"}]}"#;
    let silent = r#"{"sessionUpdate":"usage_update","used":1}"#;
    check(&[says, silent, says, thinks, thinks, says], &["says \"a a \"", "thinks \"bb\"", "says \"a \""]);
    check(&[says, plan], &["says \"a \"", "note plan \"[{\\\"content\\\":\\\"x\\\"}]\""]);
    check(
        &[r#"{"sessionUpdate":"new","x":1}"#, "null"],
        &["note new \"{\\\"sessionUpdate\\\":\\\"new\\\",\\\"x\\\":1}\"", "note update \"null\""],
    );
}

#[test]
fn a_tool_is_told_with_the_arguments_that_it_begins_with() {
    let pending = r#"{"sessionUpdate":"tool_call","toolCallId":"a","title":"bash","kind":"execute","status":"pending","rawInput":{}}"#;
    let begun =
        r#"{"sessionUpdate":"tool_call_update","toolCallId":"a","status":"in_progress","rawInput":{"command":"ls"}}"#;
    let done = r#"{"sessionUpdate":"tool_call_update","toolCallId":"a","status":"completed","content":[{"type":"content","content":{"type":"text","text":"x"}},{"type":"diff","path":"/w/a","oldText":"","newText":"b"}]}"#;
    let call = r#"call a execute {"command":"ls"}"#;
    check(&[pending, begun, begun, done, done], &[call, r#"result a ok "x\nchanged /w/a""#]);
    check(&[pending], &["call a execute {}"]);
    let failed = r#"{"sessionUpdate":"tool_call_update","toolCallId":"b","title":"Read a","status":"failed","rawOutput":{"error":"no such file"}}"#;
    check(&[failed], &[r#"call b Read a {"title":"Read a"}"#, r#"result b failed "no such file""#]);
}

#[test]
fn usage_is_read_in_each_of_its_forms() {
    #[track_caller]
    fn check(result: &str, expected: &[&str]) {
        let events = Updates::default().usage(&serde_json::from_str(result).expect("JSON"));
        assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), expected);
    }
    let usage =
        r#"{"usage":{"inputTokens":10,"outputTokens":2,"thoughtTokens":3,"cachedReadTokens":4,"cachedWriteTokens":5}}"#;
    check(usage, &["usage  in 10 out 5 read 4 written 5"]);
    let one = r#"{"model":"m","token_count":{"input_tokens":10,"output_tokens":2}}"#;
    let quota = format!(r#"{{"_meta":{{"quota":{{"model_usage":[{one},{one}]}}}}}}"#);
    check(&quota, &["usage m in 20 out 4 read 0 written 0"]);
    check("{}", &[]);
}
