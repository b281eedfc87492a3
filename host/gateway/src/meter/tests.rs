//! Answers of each shape, whole and in pieces, and what is read of them.

use super::*;

/// The same is read however the answer is cut.
#[track_caller]
fn read(shape: Shape, stream: bool, answer: &str) -> Reading {
    let read = |size: usize| {
        let mut meter = Meter::new(shape, stream);
        answer.as_bytes().chunks(size).for_each(|piece| meter.take(piece));
        meter.finish(true)
    };
    let whole = read(answer.len().max(1));
    for size in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(read(size), whole, "in pieces of {size}");
    }
    whole
}

#[track_caller]
fn check(shape: Shape, stream: bool, answer: &str, usage: [u64; 4], complete: bool) {
    let [input, output, cache_read, cache_write] = usage;
    let reading = read(shape, stream, answer);
    assert_eq!(reading.usage, Usage { input, output, cache_read, cache_write }, "{answer}");
    assert_eq!(reading.complete, complete, "{answer}");
}

#[test]
fn the_usage_of_messages_is_the_last_word_on_each_count() {
    let start = r#"{"type":"message_start","message":{"model":"m","usage":{"input_tokens":7,"cache_read_input_tokens":5,"cache_creation_input_tokens":3,"output_tokens":1}}}"#;
    let delta = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":9}}"#;
    let late = r#"{"type":"message_delta","usage":{"input_tokens":8,"cache_read_input_tokens":6,"output_tokens":10}}"#;
    let stream = |events: &[&str]| events.iter().map(|it| format!("event: x\ndata: {it}\n\n")).collect::<String>();
    check(Shape::Messages, true, &stream(&[start]), [7, 1, 5, 3], false);
    check(Shape::Messages, true, &stream(&[start, delta]), [7, 9, 5, 3], true);
    check(Shape::Messages, true, &stream(&[start, delta, late]), [8, 10, 6, 3], true);
    let reading = read(Shape::Messages, true, &stream(&[start, delta, r#"{"type":"message_stop"}"#]));
    assert!(reading.ended && reading.model.as_deref() == Some("m"));
    assert!(!read(Shape::Messages, true, &stream(&[start, delta])).ended);
    check(
        Shape::Messages,
        false,
        r#"{"type":"message","usage":{"input_tokens":7,"output_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":3},"cache_creation_input_tokens":4}}"#,
        [7, 9, 0, 4],
        true,
    );
}

#[test]
fn all_steps_of_a_call_count() {
    let usage = r#""usage":{"input_tokens":23,"output_tokens":10,"cache_read_input_tokens":4,"iterations":[{"type":"compaction","input_tokens":180,"output_tokens":35},{"type":"message","input_tokens":23,"output_tokens":10,"cache_read_input_tokens":4}]}"#;
    check(Shape::Messages, false, &format!("{{{usage}}}"), [203, 45, 4, 0], true);
    let delta = format!("data: {{\"type\":\"message_delta\",{usage}}}\n\n");
    check(Shape::Messages, true, &delta, [203, 45, 4, 0], true);
    let none = r#"{"usage":{"input_tokens":7,"output_tokens":9,"iterations":[]}}"#;
    check(Shape::Messages, false, none, [7, 9, 0, 0], true);
}

#[test]
fn what_stays_in_the_cache_for_an_hour_is_seen() {
    let answer = r#"{"usage":{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":4,"cache_creation":{"ephemeral_1h_input_tokens":3}}}"#;
    assert_eq!(read(Shape::Messages, false, answer).long_cache_write, 3);
}

#[test]
fn the_usage_of_responses_comes_at_the_end_in_each_of_its_forms() {
    let usage = r#""usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":15}}"#;
    for end in ["completed", "incomplete", "failed"] {
        let event = format!(
            "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"usage\":null}}}}\n\n\
             data: {{\"type\":\"response.output_text.delta\",\"delta\":\"data: x\"}}\n\n\
             event: response.{end}\ndata: {{\"type\":\"response.{end}\",\"response\":{{\"model\":\"m\",{usage}}}}}\n\n"
        );
        check(Shape::Responses, true, &event, [30, 20, 60, 10], true);
        assert!(read(Shape::Responses, true, &event).ended);
    }
    check(Shape::Responses, false, &format!("{{{usage}}}"), [30, 20, 60, 10], true);
    check(Shape::Responses, false, r#"{"usage":{"input_tokens":5,"output_tokens":6}}"#, [5, 6, 0, 0], true);
    check(Shape::Responses, true, "data: {\"type\":\"response.created\"}\n\n", [0, 0, 0, 0], false);
}

#[test]
fn the_usage_of_a_chat_is_in_its_last_piece() {
    let stream = "data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n\
                  data: {\"choices\":[],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":4,\
                  \"prompt_tokens_details\":{\"cached_tokens\":20}}}\n\ndata: [DONE]\n\n";
    check(Shape::Chat, true, stream, [30, 4, 20, 0], true);
    check(Shape::Chat, false, r#"{"usage":{"prompt_tokens":50,"completion_tokens":4}}"#, [50, 4, 0, 0], true);
    let thinking = r#"{"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}}"#;
    check(Shape::Chat, false, thinking, [32, 103, 0, 0], true);
    assert!(read(Shape::Chat, true, "data: {\"choices\":[]}\n\n").ended);
}

#[test]
fn an_error_in_an_answer_is_a_problem_with_its_kind() {
    let check = |shape, stream, answer: &str, kind| {
        let (found, text) = read(shape, stream, answer).problem.expect(answer);
        assert_eq!((found, text.as_str()), (kind, "why"), "{answer}");
    };
    let event = |data: &str| format!("event: error\ndata: {data}\n\n");
    let overloaded = event(r#"{"type":"error","error":{"type":"overloaded_error","message":"why"}}"#);
    check(Shape::Messages, true, &overloaded, FaultKind::Overloaded);
    let limited =
        event(r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"why"}}}"#);
    check(Shape::Responses, true, &limited, FaultKind::RateLimited);
    check(
        Shape::Responses,
        true,
        &event(r#"{"type":"error","code":"server_error","message":"why"}"#),
        FaultKind::Error,
    );
    check(Shape::Chat, true, &event(r#"{"error":{"code":502,"message":"why"}}"#), FaultKind::Error);
    check(
        Shape::Chat,
        false,
        r#"{"error":{"type":"insufficient_quota","code":null,"message":"why"}}"#,
        FaultKind::RateLimited,
    );
}

#[test]
fn nonsense_is_no_usage_and_no_harm() {
    for nonsense in [
        "",
        "data: {\n\n",
        "data: null\n\n",
        "data: {\"type\":\"message_start\",\"message\":7}\n\n",
        "data: {\"type\":\"message_delta\",\"usage\":[1]}\n\n",
        "data: {\"type\":\"response.completed\",\"response\":\"x\"}\n\n",
        "\u{0}\u{0}\n\n",
        "{\"usage\":{\"input_tokens\":-1,\"output_tokens\":1.5}}",
    ] {
        for shape in [Shape::Messages, Shape::Responses, Shape::Chat] {
            for stream in [true, false] {
                check(shape, stream, nonsense, [0; 4], false);
            }
        }
    }
    let cached = r#"{"usage":{"input_tokens":5,"output_tokens":1,"input_tokens_details":{"cached_tokens":9}}}"#;
    check(Shape::Responses, false, cached, [0, 1, 5, 0], true);
}

#[test]
fn the_usage_of_gemini_is_that_of_its_last_piece() {
    let piece = |usage: &str, end: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}}{end}}}],"modelVersion":"gemini-3.8-flash","usageMetadata":{usage}}}"#
        )
    };
    let first = piece(r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"totalTokenCount":100}"#, "");
    let last = piece(
        r#"{"promptTokenCount":100,"toolUsePromptTokenCount":5,"cachedContentTokenCount":60,"candidatesTokenCount":7,"thoughtsTokenCount":13,"totalTokenCount":125}"#,
        r#","finishReason":"STOP""#,
    );
    let stream = |pieces: &[&str]| pieces.iter().map(|it| format!("data: {it}\r\n\r\n")).collect::<String>();
    check(Shape::Generate, true, &stream(&[&first]), [40, 0, 60, 0], false);
    check(Shape::Generate, true, &stream(&[&first, &last]), [45, 20, 60, 0], true);
    check(Shape::Generate, false, &last, [45, 20, 60, 0], true);
    check(Shape::Generate, false, &format!("[{first},\n{last}]"), [45, 20, 60, 0], true);
    let reading = read(Shape::Generate, true, &stream(&[&first, &last]));
    assert!(reading.ended && reading.model.as_deref() == Some("gemini-3.8-flash"));
    assert!(!read(Shape::Generate, true, &stream(&[&first])).ended, "it was cut");
    let blocked =
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}"#;
    check(Shape::Generate, false, blocked, [9, 0, 0, 0], true);
    let busy = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let problem = read(Shape::Generate, true, &stream(&[&first, busy])).problem;
    assert_eq!(problem, Some((FaultKind::Overloaded, "The model is overloaded.".into())));
}
