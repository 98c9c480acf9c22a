//! HTTP as a hub speaks it: what a file is (HEAD), and its bytes from an offset on (GET).
//!
//! A hub answers for a large file with a redirect to its storage, and puts size and SHA-256 of the file into the
//! headers of that first answer. So redirects are followed here, one at a time.

#[cfg(all(feature = "hub", not(target_family = "wasm")))]
pub use network::Client;
#[cfg(not(all(feature = "hub", not(target_family = "wasm"))))]
pub use nothing::Client;

/// What a hub says about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Where its bytes are.
    pub address: String,
    /// The commit that was meant by the revision.
    pub commit: Option<String>,
    /// Length in bytes.
    pub size: Option<u64>,
    /// Identity of the content; a SHA-256 if it is 64 hexadecimal digits.
    pub etag: Option<String>,
}

#[cfg(all(feature = "hub", not(target_family = "wasm")))]
mod network {
    use std::io::Read;
    use std::time::Duration;

    use nomul::{Code, Error, Result, bail};
    use ureq::http::{HeaderMap, Response, StatusCode, Uri};
    use ureq::{Agent, Body, RequestBuilder, typestate::WithoutBody};

    use super::Description;

    const REDIRECTS: usize = 8;

    /// A connection pool, the hub's address and its token.
    pub struct Client<'a> {
        agent: Agent,
        base: &'a str,
        token: Option<&'a str>,
    }

    impl<'a> Client<'a> {
        /// Errors: `Input` if the address is not HTTP.
        pub fn new(base: &'a str, token: Option<&'a str>) -> Result<Client<'a>> {
            if origin(base).is_none() {
                bail!(Input, "hub {base}: is not an address that starts with https:// or http://");
            }
            let agent = Agent::config_builder()
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .https_only(base.starts_with("https://"))
                .user_agent(concat!("nomul/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(Duration::from_secs(30)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .timeout_per_read(Some(Duration::from_secs(60)))
                .build()
                .new_agent();
            Ok(Client { agent, base, token })
        }

        /// Asks what a file is; `None` where there is none. Stops at a redirect to another server: storage often signs
        /// its addresses for reading only, and the hub has said by then what the file is.
        pub fn describe(&self, address: &str) -> Result<Option<Description>> {
            let mut description = Description { address: address.into(), ..Description::default() };
            for _ in 0..REDIRECTS {
                let request = self.agent.head(&description.address).header("accept-encoding", "identity");
                let response = self.send(request, &description.address)?;
                let headers = response.headers();
                let header = |names: &[&str]| names.iter().find_map(|name| text(headers, name));
                // Of a chain of redirects, the first that says something counts: it is the hub's own.
                description.commit = description.commit.or(header(&["x-repo-commit"]).map(Into::into));
                let size = header(&["x-linked-size"]).or(header(&["content-length"]).filter(|_| is_whole(&response)));
                description.size = description.size.or(size.and_then(|n| n.parse().ok()));
                let etag = header(&["x-linked-etag"]).or(header(&["etag"]).filter(|_| is_whole(&response)));
                description.etag = description.etag.or(etag.map(bare_etag));
                match redirect(&response, &description.address)? {
                    Some(next) if origin(&next) != origin(&description.address) => return Ok(Some(description)),
                    Some(next) => description.address = next,
                    None if response.status() == StatusCode::NOT_FOUND => return Ok(None),
                    None => {
                        check_status(&response, address)?;
                        return Ok(Some(description));
                    }
                }
            }
            bail!(Io, "{address}: more than {REDIRECTS} redirects")
        }

        /// A file's bytes from `offset` on, and the offset that they really start at: servers may ignore the wish.
        pub fn read(&self, description: &Description, offset: u64) -> Result<(u64, impl Read + use<>)> {
            let mut address = description.address.clone();
            for _ in 0..REDIRECTS {
                let mut request = self.agent.get(&address).header("accept-encoding", "identity");
                if offset > 0 {
                    request = request.header("range", format!("bytes={offset}-"));
                }
                let response = self.send(request, &address)?;
                if let Some(next) = redirect(&response, &address)? {
                    address = next;
                    continue;
                }
                check_status(&response, &description.address)?;
                let start = match response.status() {
                    StatusCode::PARTIAL_CONTENT => range_start(response.headers(), &address)?,
                    _ => 0,
                };
                return Ok((start, response.into_body().into_reader()));
            }
            bail!(Io, "{}: more than {REDIRECTS} redirects", description.address)
        }

        fn send(&self, request: RequestBuilder<WithoutBody>, address: &str) -> Result<Response<Body>> {
            let request = match self.token {
                Some(token) if origin(address) == origin(self.base) => {
                    request.header("authorization", format!("Bearer {token}"))
                }
                _ => request,
            };
            request.call().map_err(|e| Error::new(Code::Io, format!("{address}: {e}")))
        }
    }

    fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Lengths and tags of redirects are those of the redirect's own page.
    fn is_whole(response: &Response<Body>) -> bool {
        response.status() == StatusCode::OK
    }

    /// `W/"abc"` and `"abc"` are `abc`.
    fn bare_etag(etag: &str) -> String {
        etag.trim_start_matches("W/").trim_matches('"').into()
    }

    fn origin(address: &str) -> Option<(String, String)> {
        let uri: Uri = address.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
        Some((scheme.into(), uri.authority()?.as_str().into()))
    }

    /// Where a redirect leads, made absolute; `None` for other answers.
    fn redirect(response: &Response<Body>, address: &str) -> Result<Option<String>> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = text(response.headers(), "location").unwrap_or("");
        let next = match origin(address) {
            Some((scheme, _)) if location.starts_with("//") => format!("{scheme}:{location}"),
            Some((scheme, authority)) if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
            _ => location.into(),
        };
        match origin(&next) {
            Some(_) => Ok(Some(next)),
            None => bail!(Io, "{address}: redirects to {location:?}, which is no address"),
        }
    }

    fn check_status(response: &Response<Body>, address: &str) -> Result<()> {
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403) {
            bail!(
                Missing,
                "{address}: {status}: the model does not exist, is private, or asks for its licence to be accepted \
                 (HF_TOKEN holds the token)"
            );
        }
        if status == StatusCode::NOT_FOUND {
            bail!(Missing, "{address}: {status}");
        }
        if !status.is_success() {
            bail!(Io, "{address}: {status}");
        }
        if text(response.headers(), "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            bail!(Format, "{address}: a web page came back instead of the file; is this the address of a hub?");
        }
        Ok(())
    }

    fn range_start(headers: &HeaderMap, address: &str) -> Result<u64> {
        let range = text(headers, "content-range").unwrap_or("");
        let start = range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok());
        match start {
            Some(start) => Ok(start),
            None => bail!(Format, "{address}: sends a part, but its content-range is {range:?}"),
        }
    }
}

#[cfg(not(all(feature = "hub", not(target_family = "wasm"))))]
mod nothing {
    use std::io::{Empty, empty};

    use nomul::{Result, bail};

    use super::Description;

    /// Stands where there is no network.
    pub struct Client;

    impl Client {
        /// Always `Unsupported`.
        pub fn new(base: &str, _token: Option<&str>) -> Result<Client> {
            bail!(Unsupported, "{base}: this build cannot download; give it a folder or a .gguf file")
        }

        /// Never reached.
        pub fn describe(&self, _address: &str) -> Result<Option<Description>> {
            Ok(None)
        }

        /// Never reached.
        pub fn read(&self, _description: &Description, _offset: u64) -> Result<(u64, Empty)> {
            Ok((0, empty()))
        }
    }
}
