"""The service's WSDL, which names the host it was asked at, as ASP.NET's do."""

from xml.sax.saxutils import quoteattr

_WSDL = """<?xml version="1.0" encoding="utf-8"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://www.w3.org/2001/XMLSchema"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"
    xmlns:tns="{namespace}" targetNamespace="{namespace}">
  <wsdl:types>
    <s:schema elementFormDefault="qualified" targetNamespace="{namespace}">
      <s:element name="GetQuote"><s:complexType><s:sequence>
        <s:element name="symbol" type="s:string"/>
      </s:sequence></s:complexType></s:element>
      <s:element name="GetQuoteResponse"><s:complexType><s:sequence>
        <s:element name="symbol" type="s:string"/>
        <s:element name="price" type="s:decimal"/>
      </s:sequence></s:complexType></s:element>
    </s:schema>
  </wsdl:types>
  <wsdl:message name="GetQuoteIn">
    <wsdl:part name="parameters" element="tns:GetQuote"/>
  </wsdl:message>
  <wsdl:message name="GetQuoteOut">
    <wsdl:part name="parameters" element="tns:GetQuoteResponse"/>
  </wsdl:message>
  <wsdl:portType name="StockQuoteSoap">
    <wsdl:operation name="GetQuote">
      <wsdl:input message="tns:GetQuoteIn"/><wsdl:output message="tns:GetQuoteOut"/>
    </wsdl:operation>
  </wsdl:portType>
{bindings}
  <wsdl:service name="StockQuote">
    <wsdl:port name="StockQuoteSoap" binding="tns:StockQuoteSoap">
      <soap:address location={address}/>
    </wsdl:port>
    <wsdl:port name="StockQuoteSoap12" binding="tns:StockQuoteSoap12">
      <soap12:address location={address}/>
    </wsdl:port>
  </wsdl:service>
</wsdl:definitions>
"""

_BINDING = """  <wsdl:binding name="{name}" type="tns:StockQuoteSoap">
    <{prefix}:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="GetQuote">
      <{prefix}:operation soapAction="{namespace}GetQuote" style="document"/>
      <wsdl:input><{prefix}:body use="literal"/></wsdl:input>
      <wsdl:output><{prefix}:body use="literal"/></wsdl:output>
    </wsdl:operation>
  </wsdl:binding>"""


def wsdl(address: str, namespace: str) -> str:
    """The WSDL of the service at an address."""
    bindings = "\n".join(
        _BINDING.format(name=name, prefix=prefix, namespace=namespace)
        for name, prefix in (("StockQuoteSoap", "soap"), ("StockQuoteSoap12", "soap12"))
    )
    return _WSDL.format(address=quoteattr(address), namespace=namespace, bindings=bindings)
