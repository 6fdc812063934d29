//! Errors as the service states them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

/// A refused request: status, code and what the XML body says besides.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Elements that only some codes have, in order.
    pub(crate) children: Vec<(&'static str, String)>,
    /// Headers that only some codes have.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The error class, where the code alone does not tell it.
    class: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            children: Vec::new(),
            headers: Vec::new(),
            class: None,
        }
    }

    pub(crate) fn bad_request(code: &str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn forbidden(code: &str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn not_implemented(message: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// Where a header would change what the operation does, it must not be overlooked.
    pub(crate) fn header_not_implemented() -> Self {
        let message = "A header you provided implies functionality that is not implemented.";
        Self::not_implemented(message)
    }

    /// A parameter or a header, by name, with a value it cannot have.
    pub(crate) fn invalid_argument((name, value): (&str, &str), message: &str) -> Self {
        Self::bad_request("InvalidArgument", message)
            .child("ArgumentName", name)
            .child("ArgumentValue", value)
    }

    pub(crate) fn missing_argument() -> Self {
        Self::bad_request("MissingArgument", "Missing Some Required Arguments.")
    }

    pub(crate) fn entity_too_large(message: &str) -> Self {
        Self::bad_request("EntityTooLarge", message)
    }

    pub(crate) fn file_already_exists(key: &str) -> Self {
        let message = "The object you specified already exists and can not be overwritten.";
        Self::new(StatusCode::CONFLICT, "FileAlreadyExists", message).child("Key", key)
    }

    pub(crate) fn no_such_bucket(bucket: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist.")
            .child("BucketName", bucket)
    }

    pub(crate) fn no_such_key(key: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
            .child("Key", key)
    }

    pub(crate) fn child(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.children.push((name, value.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) const fn class(mut self, ec: &'static str) -> Self {
        self.class = Some(ec);
        self
    }

    /// The error class, as in `x-oss-ec`. Those not in the documentation are made up in its shape.
    pub(crate) fn ec(&self) -> &'static str {
        self.class.unwrap_or_else(|| self.class_of_code())
    }

    fn class_of_code(&self) -> &'static str {
        match self.code.as_str() {
            "RequestTimeTooSkewed" => "0002-00000504",
            "SignatureDoesNotMatch" => "0002-00000201",
            "InvalidAccessKeyId" => "0002-00000902",
            "InvalidSecurityToken" => "0002-00000903",
            "SecurityTokenExpired" => "0002-00000904",
            "AccessDenied" => "0003-00000001",
            "InvalidArgument" => "0002-00000209",
            "NoSuchBucket" => "0015-00000101",
            "NoSuchKey" => "0026-00000001",
            "NoSuchVersion" => "0026-00000002",
            "InvalidRange" => "0029-00000001",
            "PreconditionFailed" => "0026-00000101",
            "InvalidObjectName" => "0016-00000005",
            "FileAlreadyExists" => "0026-00000123",
            "MissingArgument" => "0016-00000606",
            "NoSuchUpload" => "0042-00000002",
            "RepeatedTags" => "0010-00000210",
            _ => "0000-00000000",
        }
    }

    /// The XML document of the error.
    pub(crate) fn xml(&self, request_id: &str, host: &str) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n");
        let mut element = |name: &str, value: &str| {
            xml.push_str(&format!("  <{name}>{}</{name}>\n", escape(value)));
        };
        element("Code", &self.code);
        element("Message", &self.message);
        element("RequestId", request_id);
        element("HostId", host);
        for (name, value) in &self.children {
            element(name, value);
        }
        element("EC", self.ec());
        element("RecommendDoc", &format!("https://api.aliyun.com/troubleshoot?q={}", self.ec()));
        xml.push_str("</Error>\n");
        xml
    }
}

/// An error document for a response without a body, as in `x-oss-err`.
pub(crate) fn header_form(xml: &str) -> String {
    STANDARD.encode(xml)
}

/// Escapes text for an XML element.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_code_children_and_class() {
        let xml = Refusal::no_such_key("a<b&c").xml("5C3D9175B6FC201293AD4890", "localhost");
        for part in [
            "<Code>NoSuchKey</Code>",
            "<Key>a&lt;b&amp;c</Key>",
            "<RequestId>5C3D9175B6FC201293AD4890</RequestId>",
            "<HostId>localhost</HostId>",
            "<EC>0026-00000001</EC>",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
    }
}
