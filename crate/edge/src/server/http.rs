//! Bodies of requests and responses.

use serde::Serialize;
use wasip2::{
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
    io::streams::{OutputStream, StreamError},
};

use super::error::Problem;

/// Bytes read at once.
const PART: u64 = 1 << 16;

/// The most bytes that a stream takes in one blocking call.
const WRITTEN: usize = 4096;

/// The body of a request, of at most so many bytes.
pub fn body(request: &IncomingRequest, most: usize) -> Result<Vec<u8>, Problem> {
    let too_long = || Problem::new(413, "body_too_large", format!("the body is longer than {most} bytes"));
    let told = request.headers().get("content-length").first().and_then(|text| String::from_utf8(text.clone()).ok());
    if told.and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > most as u64) {
        return Err(too_long());
    }
    let broken = || Problem::new(400, "body_broken", "the body ended before it was complete");
    let body = request.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(PART) {
            Ok(part) if bytes.len() + part.len() > most => return Err(too_long()),
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(broken()),
        }
    }
}

/// The client does not listen any more.
#[derive(Debug)]
pub struct Gone;

/// The answer to a request, before and while it is sent.
pub struct Response {
    out: Option<ResponseOutparam>,
    /// A stream of events that was begun.
    events: Option<(OutgoingBody, OutputStream)>,
}

impl Response {
    pub fn new(out: ResponseOutparam) -> Response {
        Response { out: Some(out), events: None }
    }

    fn begin(&mut self, status: u16, kind: &str) -> Result<(OutgoingBody, OutputStream), Gone> {
        let fields = Fields::new();
        // Names and values of our own, which are well formed.
        let _ = fields.append("content-type", kind.as_bytes());
        let _ = fields.append("cache-control", b"no-store");
        let response = OutgoingResponse::new(fields);
        response.set_status_code(status).map_err(|()| Gone)?;
        let body = response.body().map_err(|()| Gone)?;
        ResponseOutparam::set(self.out.take().ok_or(Gone)?, Ok(response));
        let stream = body.write().map_err(|()| Gone)?;
        Ok((body, stream))
    }

    /// Answers with one value. A client that has gone away is no problem of anybody.
    pub fn json(&mut self, status: u16, value: &impl Serialize) -> Result<(), Problem> {
        let bytes = serde_json::to_vec(value).map_err(|e| Problem::new(500, "internal", e.to_string()))?;
        if let Ok((body, stream)) = self.begin(status, "application/json") {
            let _ = write(&stream, &bytes);
            end(body, stream);
        }
        Ok(())
    }

    /// Sends an event; the first begins the answer.
    pub fn event(&mut self, value: &impl Serialize) -> Result<(), Gone> {
        let text = serde_json::to_string(value).map_err(|_| Gone)?;
        self.line(&text)
    }

    /// Says that there are no more events.
    pub fn end_events(&mut self) {
        let _ = self.line("[DONE]");
        if let Some((body, stream)) = self.events.take() {
            end(body, stream);
        }
    }

    fn line(&mut self, text: &str) -> Result<(), Gone> {
        if self.events.is_none() {
            self.events = Some(self.begin(200, "text/event-stream")?);
        }
        match &self.events {
            Some((_, stream)) => write(stream, format!("data: {text}\n\n").as_bytes()),
            None => Err(Gone),
        }
    }

    /// Tells of an error: as the answer, or as an event of one that was begun.
    pub fn problem(&mut self, problem: &Problem) {
        if self.events.is_some() {
            let _ = self.event(&problem.json());
            self.end_events();
        } else {
            let _ = self.json(problem.status, &problem.json());
        }
    }
}

fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), Gone> {
    bytes.chunks(WRITTEN).try_for_each(|part| stream.blocking_write_and_flush(part)).map_err(|_| Gone)
}

fn end(body: OutgoingBody, stream: OutputStream) {
    // A body is only complete once nobody can write to it.
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
