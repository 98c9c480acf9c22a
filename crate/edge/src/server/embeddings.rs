//! Vectors of texts.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    error::Problem,
    http::Response,
    limits::Limits,
    request::{Embeddings, Text},
};
use crate::loaded::Loaded;

pub fn embed(loaded: &mut Loaded, asked: Embeddings, limits: &Limits, response: &mut Response) -> Result<(), Problem> {
    let (texts, as_base64) = asked.split(limits.inputs)?;
    let session = &mut loaded.session;
    let (mut data, mut tokens) = (Vec::<Value>::new(), 0);
    for (index, text) in texts.into_iter().enumerate() {
        if limits.are_over() {
            return Err(Problem::new(503, "timeout", format!("the time was up after {index} texts")));
        }
        let ids = match text {
            Text::Text(text) => session.tokenize(&text, true),
            Text::Tokens(ids) => Ok(ids),
        };
        let ids = ids.map_err(Problem::of_request)?;
        tokens += ids.len();
        let vector = session.embed(ids).map_err(|error| Problem::of_request(error.at(format!("input {index}"))))?;
        let embedding = if as_base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        } else {
            json!(vector)
        };
        data.push(json!({ "object": "embedding", "index": index, "embedding": embedding }));
    }
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    response.json(200, &json!({ "object": "list", "model": limits.name, "data": data, "usage": usage }))
}
