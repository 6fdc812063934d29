//! The XML documents of requests.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use crate::refusal::Refusal;

/// An element with what is in it.
///
/// Read event by event: a deserializer would trim keys that begin or end with a space.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// The text, as it stands.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads the only element of a document, which must have this name.
pub(crate) fn read(body: &[u8], root: &str) -> Result<Element, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    parse(text).filter(|element| element.name == root).ok_or_else(malformed)
}

/// The refusal of a document that is not what it should be.
pub(crate) fn malformed() -> Refusal {
    let message = "The XML you provided was not well-formed or did not validate against our \
                   published schema.";
    Refusal::bad_request("MalformedXML", message)
}

fn parse(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text);
    // Elements that are still open, outermost first; the first one stands for the document.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::Empty(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                open.last_mut()?.children.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let done = open.pop()?;
                open.last_mut()?.children.push(done);
            }
            Event::Text(piece) => open.last_mut()?.text.push_str(&piece.xml10_content()),
            Event::CData(piece) => open.last_mut()?.text.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) => resolve(&reference, &mut open.last_mut()?.text)?,
            // An entity could be anything, and expand to any length.
            Event::DocType(_) => return None,
            Event::Eof => break,
            _ => {}
        }
    }
    let mut document = open.pop()?;
    let is_one = open.is_empty() && document.children.len() == 1 && document.text.trim().is_empty();
    document.children.pop().filter(|_| is_one)
}

/// Only what every XML document has without declaring it.
fn resolve(reference: &BytesRef<'_>, text: &mut String) -> Option<()> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => text.push(character),
        None => text.push_str(resolve_xml_entity(reference)?),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(xml: &str) -> Result<Vec<String>, String> {
        let document = read(xml.as_bytes(), "Delete").map_err(|refusal| refusal.code)?;
        let objects = document.children("Object");
        Ok(objects.map(|object| object.child("Key").unwrap().text().to_owned()).collect())
    }

    #[test]
    fn text_is_read_as_it_stands() {
        let xml = "<?xml version=\"1.0\"?>\n<!-- all -->\n<Delete xmlns=\"urn:x\">\n\
                   <Object><Key> a &amp; b&#9;</Key></Object>\n\
                   <Object><Key><![CDATA[<c>]]></Key></Object><Object><Key/></Object></Delete>\n";
        assert_eq!(keys(xml).unwrap(), [" a & b\t", "<c>", ""]);
    }

    #[test]
    fn what_is_not_one_document_of_the_right_name_is_malformed() {
        for xml in [
            "",
            "text",
            "<Other/>",
            "<Delete>",
            "<Delete></Other>",
            "</Delete>",
            "<Delete/><Delete/>",
            "<Delete/>text",
            "<Delete>&unknown;</Delete>",
            "<!DOCTYPE Delete [<!ENTITY a \"b\">]><Delete>&a;</Delete>",
            "<!DOCTYPE Delete><Delete/>",
        ] {
            assert_eq!(keys(xml).unwrap_err(), "MalformedXML", "{xml}");
        }
        assert!(read(b"<Delete>\xff</Delete>", "Delete").is_err());
    }
}
