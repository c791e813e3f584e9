"""The WSDL of the stand-in for a TeamTrack's SOAP service: what of ``urn:sbmappservices72`` it speaks.

Names and order of the elements are those of generated clients of the real one.
"""

from __future__ import annotations

TARGET = "urn:sbmappservices72"

TYPES = {
    "Auth": "userId? password? hostname? loginAsUserId?",
    "Identifier": "displayName? id:integer? uuid?",
    "TableIdentifier(Identifier)": "dbName?",
    "FieldIdentifier(Identifier)": "dbName?",
    "UserIdentifier(Identifier)": "loginId?",
    "ProjectIdentifier(Identifier)": "fullyQualifiedName? internalName?",
    "TransitionIdentifier(Identifier)": "internalName?",
    "StateIdentifier(Identifier)": "internalName? isClosed:boolean",
    "ItemIdentifier(Identifier)": "tableId:integer? tableIdItemId? issueId?",
    "FieldValue": "displayValue? internalName? internalValue? uuid?",
    "NameValue": "id:FieldIdentifier? setValueBy? setValueMethod? value:FieldValue+",
    "Field": "field:FieldIdentifier? fieldType attribute:integer properties:integer",
    "TableData": "table:TableIdentifier? type description? field:Field*",
    "TTItem": "id:ItemIdentifier? itemType? project:ProjectIdentifier? title? description? "
    "createdBy:UserIdentifier? createDate:dateTime? modifiedBy:UserIdentifier? modifiedDate:dateTime? "
    "activeInactive? state:StateIdentifier? owner:UserIdentifier? url? extendedField:NameValue*",
    "Status": "status code? message?",
    "TTItemHolder": "item:TTItem? status:Status*",
    "TTItemList": "item:TTItem* totalCount:integer",
    "ResponseItemOptions": "sections specifiedSections? limitedField:FieldIdentifier*",
    "MultipleResponseItemOptions(ResponseItemOptions)": "multiOption?",
    "MultipleOptions": "multiOption",
}
"""Type (and the one that it extends) → its elements: a string unless a type is told; ``?``, ``*``, ``+`` as
usual."""

OPERATIONS = {
    "GetVersion": ("", "string?"),
    "GetTables": ("auth:Auth? tableType", "TableData*"),
    "GetItems": ("auth:Auth? itemId:ItemIdentifier+ options:MultipleResponseItemOptions?", "TTItemHolder*"),
    "GetItemsByQuery": (
        "auth:Auth? table:TableIdentifier? queryWhereClause? orderByClause? firstRecord:integer? "
        "maxReturnSize:integer? options:MultipleResponseItemOptions?",
        "TTItemList?",
    ),
    "CreatePrimaryItem": (
        "auth:Auth? project:ProjectIdentifier? parentItem:ItemIdentifier? item:TTItem "
        "submitTransition:TransitionIdentifier? options:ResponseItemOptions?",
        "TTItemHolder?",
    ),
    "TransitionItem": (
        "auth:Auth? item:TTItem transition:TransitionIdentifier? breakLock:boolean "
        "options:ResponseItemOptions?",
        "TTItemHolder?",
    ),
    "DeleteItems": ("auth:Auth? itemId:ItemIdentifier+ options:MultipleOptions?", "Status*"),
}
"""Operation → the elements of its request, and what each ``return`` of its answer is."""

OCCURS = {
    "?": 'minOccurs="0"',
    "*": 'minOccurs="0" maxOccurs="unbounded"',
    "+": 'maxOccurs="unbounded"',
    "": "",
}
SIMPLE = ("string", "integer", "boolean", "dateTime")


def wsdl(address: str) -> bytes:
    """The WSDL of a service at an address."""
    types = "".join(_type(name, elements) for name, elements in TYPES.items())
    elements = "".join(
        _element(name, request) + _element(f"{name}Response", f"return:{answer}")
        for name, (request, answer) in OPERATIONS.items()
    )
    messages = "".join(_message(name) + _message(f"{name}Response") for name in OPERATIONS)
    operations, bindings = "".join(map(_operation, OPERATIONS)), "".join(map(_binding, OPERATIONS))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions name="sbmappservices72" targetNamespace="urn:w" xmlns:w="urn:w" xmlns:t="{TARGET}"
    xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/">
<types><x:schema targetNamespace="{TARGET}" elementFormDefault="qualified"
    xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="{TARGET}">
{types}{elements}<x:element name="AEWebservicesFault" type="x:string"/></x:schema></types>
{messages}
<message name="AEWebservicesFault"><part name="fault" element="t:AEWebservicesFault"/></message>
<portType name="sbmappservices72PortType">{operations}</portType>
<binding name="sbmappservices72" type="w:sbmappservices72PortType">
<s:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bindings}</binding>
<service name="sbmappservices72"><port name="sbmappservices72" binding="w:sbmappservices72">
<s:address location="{address}"/></port></service>
</definitions>
""".encode()


def _message(name: str) -> str:
    return f'<message name="{name}"><part name="parameters" element="t:{name}"/></message>'


def _operation(name: str) -> str:
    return (
        f'<operation name="{name}"><input message="w:{name}"/><output message="w:{name}Response"/>'
        '<fault name="AEWebservicesFault" message="w:AEWebservicesFault"/></operation>'
    )


def _binding(name: str) -> str:
    body, fault = '<s:body use="literal"/>', '<s:fault name="AEWebservicesFault" use="literal"/>'
    return (
        f'<operation name="{name}"><s:operation soapAction=""/><input>{body}</input><output>{body}</output>'
        f'<fault name="AEWebservicesFault">{fault}</fault></operation>'
    )


def _sequence(elements: str) -> str:
    return f"<x:sequence>{''.join(map(_member, elements.split()))}</x:sequence>"


def _member(text: str) -> str:
    occurs = text[-1] if text[-1] in OCCURS else ""
    name, _, kind = text.removesuffix(occurs).partition(":")
    kind = kind or "string"
    return f'<x:element name="{name}" type="{"x" if kind in SIMPLE else "t"}:{kind}" {OCCURS[occurs]}/>'


def _type(name: str, elements: str) -> str:
    name, _, base = name.removesuffix(")").partition("(")
    content = _sequence(elements)
    if base:
        content = f'<x:complexContent><x:extension base="t:{base}">{content}</x:extension></x:complexContent>'
    return f'<x:complexType name="{name}">{content}</x:complexType>'


def _element(name: str, elements: str) -> str:
    return f'<x:element name="{name}"><x:complexType>{_sequence(elements)}</x:complexType></x:element>'
