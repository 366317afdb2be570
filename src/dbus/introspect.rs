//! What objects say of themselves, drawn from the tables.

use std::fmt::Write as _;

use super::describe;
use super::path::Node;
use super::table::{Arg, FLAGS, Interface, METHODS, SIGNALS, WITH_FLAGS};

const HEAD: &str = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
                    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n";

/// What every object has.
const STANDARD: &str = r#" <interface name="org.freedesktop.DBus.Peer">
  <method name="Ping"/>
  <method name="GetMachineId">
   <arg name="machine_uuid" type="s" direction="out"/>
  </method>
 </interface>
 <interface name="org.freedesktop.DBus.Introspectable">
  <method name="Introspect">
   <arg name="xml_data" type="s" direction="out"/>
  </method>
 </interface>
"#;

/// What every object of ours has.
const PROPERTIES: &str = r#" <interface name="org.freedesktop.DBus.Properties">
  <method name="Get">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="out"/>
  </method>
  <method name="GetAll">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="props" type="a{sv}" direction="out"/>
  </method>
  <method name="Set">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="in"/>
  </method>
  <signal name="PropertiesChanged">
   <arg name="interface_name" type="s"/>
   <arg name="changed_properties" type="a{sv}"/>
   <arg name="invalidated_properties" type="as"/>
  </signal>
 </interface>
"#;

const OBJECT_MANAGER: &str = r#" <interface name="org.freedesktop.DBus.ObjectManager">
  <method name="GetManagedObjects">
   <arg name="object_paths_interfaces_and_properties" type="a{oa{sa{sv}}}" direction="out"/>
  </method>
  <signal name="InterfacesAdded">
   <arg name="object_path" type="o"/>
   <arg name="interfaces_and_properties" type="a{sa{sv}}"/>
  </signal>
  <signal name="InterfacesRemoved">
   <arg name="object_path" type="o"/>
   <arg name="interfaces" type="as"/>
  </signal>
 </interface>
"#;

/// The document of an object, with the elements of the paths below it.
#[must_use]
pub fn document(node: &Node, children: &[String]) -> String {
    let mut xml = String::from(HEAD);
    xml.push_str(STANDARD);
    if let Some(interface) = node.interface() {
        xml.push_str(PROPERTIES);
        if interface == Interface::Manager {
            xml.push_str(OBJECT_MANAGER);
        }
        own(&mut xml, interface);
    }
    for child in children {
        line(&mut xml, &format!(" <node name=\"{child}\"/>"));
    }
    xml.push_str("</node>\n");
    xml
}

fn line(xml: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(xml, "{text}");
}

fn own(xml: &mut String, interface: Interface) {
    line(xml, &format!(" <interface name=\"{}\">", interface.name()));
    for row in METHODS.iter().filter(|row| row.interface == interface) {
        method(xml, row.name, row.input, row.output);
        if row.waits {
            let input = [row.input, &[FLAGS]].concat();
            method(xml, &format!("{}{WITH_FLAGS}", row.name), &input, row.output);
        }
    }
    for (name, signature, change) in describe::rows(interface) {
        let annotation = change.annotation();
        line(xml, &format!("  <property name=\"{name}\" type=\"{signature}\" access=\"read\">"));
        line(
            xml,
            &format!(
                "   <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" value=\"{annotation}\"/>"
            ),
        );
        line(xml, "  </property>");
    }
    if interface == Interface::Manager {
        for row in SIGNALS {
            line(xml, &format!("  <signal name=\"{}\">", row.name));
            args(xml, row.args, "");
            line(xml, "  </signal>");
        }
    }
    line(xml, " </interface>");
}

fn method(xml: &mut String, name: &str, input: &[Arg], output: &[Arg]) {
    line(xml, &format!("  <method name=\"{name}\">"));
    args(xml, input, " direction=\"in\"");
    args(xml, output, " direction=\"out\"");
    line(xml, "  </method>");
}

fn args(xml: &mut String, args: &[Arg], direction: &str) {
    for (name, signature) in args {
        line(xml, &format!("   <arg name=\"{name}\" type=\"{signature}\"{direction}/>"));
    }
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;
    use zbus::Signature;

    use super::*;
    use crate::api::ProcessName;

    #[test]
    fn a_document_is_well_formed_and_says_what_the_tables_say() {
        let nodes =
            [Node::Manager, Node::Group("g".into()), Node::Process(ProcessName::new("g", "p")), Node::Groups];
        for node in nodes {
            let xml = document(&node, &["a_5fb".to_owned()]);
            let mut reader = Reader::from_str(&xml);
            loop {
                match reader.read_event().unwrap() {
                    Event::Eof => break,
                    Event::Start(tag) | Event::Empty(tag) => {
                        if let Some(kind) = tag.try_get_attribute("type").unwrap() {
                            assert!(Signature::try_from(&*kind.value).is_ok(), "{kind:?}");
                        }
                    }
                    _ => {}
                }
            }
            assert!(xml.contains("<node name=\"a_5fb\"/>"));
        }
        let xml = document(&Node::Manager, &[]);
        for text in
            ["\"StartProcess\"", "\"StartProcessWithFlags\"", "\"NRunning\"", "\"Event\"", "ObjectManager"]
        {
            assert!(xml.contains(text), "{text}");
        }
        assert!(!document(&Node::Processes, &[]).contains("Properties"));
    }
}
