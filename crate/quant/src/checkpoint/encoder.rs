//! What sentence-transformers keeps beside a BERT checkpoint: how its tokens' vectors become one, and how long a text may be.

use nomul::{Result, bail};
use serde_json::Value;

use super::{TEXT_LIMIT, source::Folder};

/// The table of token types, of which a text on its own has the first.
pub const TOKEN_TYPES: &str = "embeddings.token_type_embeddings.weight";

/// Where the ways of pooling stand, and the fields of those that are known.
const POOLING: &str = "1_Pooling/config.json";
const WAYS: [(&str, &str); 2] = [("pooling_mode_mean_tokens", "mean"), ("pooling_mode_cls_token", "first")];

/// Where the longest text stands.
const LENGTH: &str = "sentence_bert_config.json";

/// Puts `pooling` and `max_seq_length` into the `config.json` of a BERT, where the folder has files that tell them. Other
/// configurations stay as they are, and so do broken ones, which are refused later.
pub fn with_pooling(folder: &Folder, config_json: Vec<u8>) -> Result<Vec<u8>> {
    let Ok(mut json) = serde_json::from_slice::<Value>(&config_json) else { return Ok(config_json) };
    if json["architectures"][0] != "BertModel" {
        return Ok(config_json);
    }
    let read = |file: &str| -> Result<Option<Value>> {
        let Some(bytes) = folder.read(file, TEXT_LIMIT)? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(json) => Ok(Some(json)),
            Err(e) => bail!(Format, "{}: {file}: {e}", folder.name()),
        }
    };
    if let Some(ways) = read(POOLING)? {
        let wanted = ways.as_object().into_iter().flatten().filter(|(_, value)| **value == Value::Bool(true));
        let wanted: Vec<&str> =
            wanted.map(|(field, _)| field.as_str()).filter(|field| field.starts_with("pooling_mode_")).collect();
        match WAYS.iter().find(|(field, _)| wanted == [*field]) {
            Some((_, name)) => json["pooling"] = (*name).into(),
            None => bail!(
                Unsupported,
                "{}: {POOLING}: [{}]; one of {} is supported",
                folder.name(),
                wanted.join(", "),
                WAYS.map(|(field, _)| field).join(", ")
            ),
        }
    }
    if let Some(length) = read(LENGTH)?.map(|json| json["max_seq_length"].clone()).filter(|length| !length.is_null()) {
        json["max_seq_length"] = length;
    }
    Ok(json.to_string().into_bytes())
}
