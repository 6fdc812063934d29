//! The XML documents of answers.

use crate::call::Call;
use crate::refusal::escape;
use crate::reply::Reply;

/// What becomes of keys: XML cannot carry every character, `encoding-type=url` can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    None,
    Url,
}

impl Encoding {
    /// What a request asks for.
    pub(crate) fn of(call: &Call) -> Self {
        match call.parameter("encoding-type") {
            Some("url") => Self::Url,
            _ => Self::None,
        }
    }
}

/// A document that is being written.
#[derive(Debug)]
pub(crate) struct Document {
    xml: String,
    root: &'static str,
    encoding: Encoding,
}

impl Document {
    pub(crate) fn new(root: &'static str, encoding: Encoding) -> Self {
        Self { xml: format!("{XML}<{root}>"), root, encoding }
    }

    pub(crate) fn plain(&mut self, name: &str, value: &str) {
        self.raw(&format!("<{name}>{}</{name}>", escape(value)));
    }

    /// A key or part of one, which `encoding-type=url` protects.
    pub(crate) fn encoded(&mut self, name: &str, value: &str) {
        match self.encoding {
            Encoding::Url => self.plain(name, &ossget_sign::encode(value)),
            Encoding::None => self.plain(name, value),
        }
    }

    /// Says how keys are encoded, if they are.
    pub(crate) fn encoding_type(&mut self) {
        if self.encoding == Encoding::Url {
            self.plain("EncodingType", "url");
        }
    }

    /// An element of further elements.
    pub(crate) fn element(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.raw(&format!("<{name}>"));
        write(self);
        self.raw(&format!("</{name}>"));
    }

    /// Elements that are written already.
    pub(crate) fn raw(&mut self, xml: &str) {
        self.xml.push_str(xml);
    }

    /// The answer with the whole document.
    pub(crate) fn reply(mut self) -> Reply {
        self.xml.push_str(&format!("</{}>", self.root));
        Reply::xml(self.xml)
    }
}

/// What every document begins with.
pub(crate) const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
