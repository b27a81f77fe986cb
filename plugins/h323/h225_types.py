"""H.225.0 version 7, annex H (ASN.1): messages of call signalling and RAS, as far as addresses need them.

The names are those of the recommendation. What is left out lies behind everything that is read: additions of later
versions, and whole messages without addresses.
"""

from __future__ import annotations

from fwhelpers.sansio.per import (
    BOOLEAN,
    NULL,
    OBJECT_IDENTIFIER,
    UNREAD,
    bits,
    characters,
    choice,
    integer,
    list_of,
    octets,
    optional,
    sequence,
)

H221NonStandard = sequence(
    t35CountryCode=integer(0, 255), t35Extension=integer(0, 255), manufacturerCode=integer(0, 65535)
).extensible()
NonStandardIdentifier = choice(
    object=OBJECT_IDENTIFIER, h221NonStandard=H221NonStandard
).extensible()
NonStandardParameter = sequence(nonStandardIdentifier=NonStandardIdentifier, data=octets())
TransportAddress = choice(
    ipAddress=sequence(ip=octets(4), port=integer(0, 65535)),
    ipSourceRoute=sequence(
        ip=octets(4),
        port=integer(0, 65535),
        route=list_of(octets(4)),
        routing=choice(strict=NULL, loose=NULL).extensible(),
    ).extensible(),
    ipxAddress=sequence(node=octets(6), netnum=octets(4), port=octets(2)),
    ip6Address=sequence(ip=octets(16), port=integer(0, 65535)).extensible(),
    netBios=octets(16),
    nsap=octets(1, 20),
    nonStandardAddress=NonStandardParameter,
).extensible()
AliasAddress = choice(
    dialledDigits=characters(4, 1, 128), h323_ID=characters(16, 1, 256)
).extensible()
VendorIdentifier = sequence(
    vendor=H221NonStandard, productId=optional(octets(1, 256)), versionId=optional(octets(1, 256))
).extensible()
# GatekeeperInfo, McuInfo, TerminalInfo, H310Caps … T120OnlyCaps, which differ in their additions
Info = sequence(nonStandardData=optional(NonStandardParameter)).extensible()
SupportedProtocols = choice(
    nonStandardData=NonStandardParameter,
    h310=Info,
    h320=Info,
    h321=Info,
    h322=Info,
    h323=Info,
    h324=Info,
    voice=Info,
    t120_only=Info,
).extensible()
GatewayInfo = sequence(
    protocol=optional(list_of(SupportedProtocols)), nonStandardData=optional(NonStandardParameter)
).extensible()
EndpointType = sequence(
    nonStandardData=optional(NonStandardParameter),
    vendor=optional(VendorIdentifier),
    gatekeeper=optional(Info),
    gateway=optional(GatewayInfo),
    mcu=optional(Info),
    terminal=optional(Info),
    mc=BOOLEAN,
    undefinedNode=BOOLEAN,
).extensible()
QseriesOptions = sequence(
    q932Full=BOOLEAN,
    q951Full=BOOLEAN,
    q952Full=BOOLEAN,
    q953Full=BOOLEAN,
    q955Full=BOOLEAN,
    q956Full=BOOLEAN,
    q957Full=BOOLEAN,
    q954Info=sequence(conferenceCalling=BOOLEAN, threePartyService=BOOLEAN).extensible(),
).extensible()
CallType = choice(pointToPoint=NULL, oneToN=NULL, nToOne=NULL, nToN=NULL).extensible()
SetupUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER,
    h245Address=optional(TransportAddress),
    sourceAddress=optional(list_of(AliasAddress)),
    sourceInfo=EndpointType,
    destinationAddress=optional(list_of(AliasAddress)),
    destCallSignalAddress=optional(TransportAddress),
    destExtraCallInfo=optional(list_of(AliasAddress)),
    destExtraCRV=optional(list_of(integer(0, 65535))),
    activeMC=BOOLEAN,
    conferenceID=octets(16),
    conferenceGoal=choice(create=NULL, join=NULL, invite=NULL).extensible(),
    callServices=optional(QseriesOptions),
    callType=CallType,
).extensible(
    sourceCallSignalAddress=TransportAddress,
    remoteExtensionAddress=UNREAD,
    callIdentifier=UNREAD,
    h245SecurityCapability=UNREAD,
    tokens=UNREAD,
    cryptoTokens=UNREAD,
    fastStart=list_of(octets()),
)
CallProceedingUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER,
    destinationInfo=EndpointType,
    h245Address=optional(TransportAddress),
).extensible(
    callIdentifier=UNREAD,
    h245SecurityMode=UNREAD,
    tokens=UNREAD,
    cryptoTokens=UNREAD,
    fastStart=list_of(octets()),
)
ConnectUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER,
    h245Address=optional(TransportAddress),
    destinationInfo=EndpointType,
    conferenceID=octets(16),
).extensible(
    callIdentifier=UNREAD,
    h245SecurityMode=UNREAD,
    tokens=UNREAD,
    cryptoTokens=UNREAD,
    fastStart=list_of(octets()),
)
AlertingUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER,
    destinationInfo=EndpointType,
    h245Address=optional(TransportAddress),
).extensible(
    callIdentifier=UNREAD,
    h245SecurityMode=UNREAD,
    tokens=UNREAD,
    cryptoTokens=UNREAD,
    fastStart=list_of(octets()),
)
FacilityReason = choice(
    routeCallToGatekeeper=NULL, callForwarded=NULL, routeCallToMC=NULL, undefinedReason=NULL
).extensible()
FacilityUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER,
    alternativeAddress=optional(TransportAddress),
    alternativeAliasAddress=optional(list_of(AliasAddress)),
    conferenceID=optional(octets(16)),
    reason=FacilityReason,
).extensible(
    callIdentifier=UNREAD,
    destExtraCallInfo=UNREAD,
    remoteExtensionAddress=UNREAD,
    tokens=UNREAD,
    cryptoTokens=UNREAD,
    conferences=UNREAD,
    h245Address=TransportAddress,
    fastStart=list_of(octets()),
)
InformationUuie = sequence(protocolIdentifier=OBJECT_IDENTIFIER).extensible()
ReleaseCompleteReason = choice(
    noBandwidth=NULL,
    gatekeeperResources=NULL,
    unreachableDestination=NULL,
    destinationRejection=NULL,
    invalidRevision=NULL,
    noPermission=NULL,
    unreachableGatekeeper=NULL,
    gatewayResources=NULL,
    badFormatAddress=NULL,
    adaptiveBusy=NULL,
    inConf=NULL,
    undefinedReason=NULL,
).extensible()
ReleaseCompleteUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER, reason=optional(ReleaseCompleteReason)
).extensible()
SecurityServiceMode = choice(nonStandard=NonStandardParameter, none=NULL, default=NULL).extensible()
SecurityCapabilities = sequence(
    nonStandard=optional(NonStandardParameter),
    encryption=SecurityServiceMode,
    authenticaton=SecurityServiceMode,
    integrity=SecurityServiceMode,
).extensible()
H245Security = choice(
    nonStandard=NonStandardParameter,
    noSecurity=NULL,
    tls=SecurityCapabilities,
    ipsec=SecurityCapabilities,
).extensible()
DHset = sequence(halfkey=bits(0, 2048), modSize=bits(0, 2048), generator=bits(0, 2048)).extensible()
TypedCertificate = sequence(type=OBJECT_IDENTIFIER, certificate=octets()).extensible()
ClearToken = sequence(
    tokenOID=OBJECT_IDENTIFIER,
    timeStamp=optional(integer(1, 4294967295)),
    password=optional(characters(16, 1, 128)),
    dhkey=optional(DHset),
    challenge=optional(octets(8, 128)),
    random=optional(integer()),
    certificate=optional(TypedCertificate),
    generalID=optional(characters(16, 1, 128)),
    nonStandard=optional(NonStandardParameter),
).extensible()
Params = sequence(ranInt=optional(integer()), iv8=optional(octets(8))).extensible()
HASHED = sequence(algorithmOID=OBJECT_IDENTIFIER, paramS=Params, hash=bits())
ENCRYPTED = sequence(algorithmOID=OBJECT_IDENTIFIER, paramS=Params, encryptedData=octets())
SIGNED = sequence(
    toBeSigned=octets(), algorithmOID=OBJECT_IDENTIFIER, paramS=Params, signature=bits()
)
CryptoToken = choice(
    cryptoEncryptedToken=sequence(tokenOID=OBJECT_IDENTIFIER, token=ENCRYPTED),
    cryptoSignedToken=sequence(tokenOID=OBJECT_IDENTIFIER, token=SIGNED),
    cryptoHashedToken=sequence(tokenOID=OBJECT_IDENTIFIER, hashedVals=ClearToken, token=HASHED),
    cryptoPwdEncr=ENCRYPTED,
).extensible()
CryptoH323Token = choice(
    cryptoEPPwdHash=sequence(alias=AliasAddress, timeStamp=integer(1, 4294967295), token=HASHED),
    cryptoGKPwdHash=sequence(
        gatekeeperId=characters(16, 1, 128), timeStamp=integer(1, 4294967295), token=HASHED
    ),
    cryptoEPPwdEncr=ENCRYPTED,
    cryptoGKPwdEncr=ENCRYPTED,
    cryptoEPCert=SIGNED,
    cryptoGKCert=SIGNED,
    cryptoFastStart=SIGNED,
    nestedcryptoToken=CryptoToken,
).extensible()
ProgressUuie = sequence(
    protocolIdentifier=OBJECT_IDENTIFIER,
    destinationInfo=EndpointType,
    h245Address=optional(TransportAddress),
    callIdentifier=sequence(guid=octets(16)).extensible(),
    h245SecurityMode=optional(H245Security),
    tokens=optional(list_of(ClearToken)),
    cryptoTokens=optional(list_of(CryptoH323Token)),
    fastStart=optional(list_of(octets())),
).extensible()
H323UuPdu = sequence(
    h323_message_body=choice(
        setup=SetupUuie,
        callProceeding=CallProceedingUuie,
        connect=ConnectUuie,
        alerting=AlertingUuie,
        information=InformationUuie,
        releaseComplete=ReleaseCompleteUuie,
        facility=FacilityUuie,
    ).extensible(progress=ProgressUuie),
    nonStandardData=optional(NonStandardParameter),
).extensible(h4501SupplementaryService=UNREAD, h245Tunnelling=UNREAD, h245Control=list_of(octets()))
H323UserInformation = sequence(
    h323_uu_pdu=H323UuPdu,
    user_data=optional(
        sequence(
            protocol_discriminator=integer(0, 255), user_information=octets(1, 131)
        ).extensible()
    ),
).extensible()
GatekeeperRequest = sequence(
    requestSeqNum=integer(1, 65535),
    protocolIdentifier=OBJECT_IDENTIFIER,
    nonStandardData=optional(NonStandardParameter),
    rasAddress=TransportAddress,
    endpointType=EndpointType,
    gatekeeperIdentifier=optional(characters(16, 1, 128)),
    callServices=optional(QseriesOptions),
    endpointAlias=optional(list_of(AliasAddress)),
).extensible()
GatekeeperConfirm = sequence(
    requestSeqNum=integer(1, 65535),
    protocolIdentifier=OBJECT_IDENTIFIER,
    nonStandardData=optional(NonStandardParameter),
    gatekeeperIdentifier=optional(characters(16, 1, 128)),
    rasAddress=TransportAddress,
).extensible()
RegistrationRequest = sequence(
    requestSeqNum=integer(1, 65535),
    protocolIdentifier=OBJECT_IDENTIFIER,
    nonStandardData=optional(NonStandardParameter),
    discoveryComplete=BOOLEAN,
    callSignalAddress=list_of(TransportAddress),
    rasAddress=list_of(TransportAddress),
    terminalType=EndpointType,
    terminalAlias=optional(list_of(AliasAddress)),
    gatekeeperIdentifier=optional(characters(16, 1, 128)),
    endpointVendor=VendorIdentifier,
).extensible(
    alternateEndpoints=UNREAD,
    timeToLive=integer(1, 4294967295),
    tokens=UNREAD,
    cryptoTokens=UNREAD,
    integrityCheckValue=UNREAD,
    keepAlive=BOOLEAN,
)
RegistrationConfirm = sequence(
    requestSeqNum=integer(1, 65535),
    protocolIdentifier=OBJECT_IDENTIFIER,
    nonStandardData=optional(NonStandardParameter),
    callSignalAddress=list_of(TransportAddress),
    terminalAlias=optional(list_of(AliasAddress)),
    gatekeeperIdentifier=optional(characters(16, 1, 128)),
    endpointIdentifier=characters(16, 1, 128),
).extensible(alternateGatekeeper=UNREAD, timeToLive=integer(1, 4294967295))
RegistrationRejectReason = choice(
    discoveryRequired=NULL,
    invalidRevision=NULL,
    invalidCallSignalAddress=NULL,
    invalidRASAddress=NULL,
    duplicateAlias=list_of(AliasAddress),
    invalidTerminalType=NULL,
    undefinedReason=NULL,
    transportNotSupported=NULL,
).extensible()
RegistrationReject = sequence(
    requestSeqNum=integer(1, 65535),
    protocolIdentifier=OBJECT_IDENTIFIER,
    nonStandardData=optional(NonStandardParameter),
    rejectReason=RegistrationRejectReason,
    gatekeeperIdentifier=optional(characters(16, 1, 128)),
).extensible()
UnregistrationRequest = sequence(
    requestSeqNum=integer(1, 65535),
    callSignalAddress=list_of(TransportAddress),
    endpointAlias=optional(list_of(AliasAddress)),
    nonStandardData=optional(NonStandardParameter),
    endpointIdentifier=optional(characters(16, 1, 128)),
).extensible()
UnregistrationConfirm = sequence(
    requestSeqNum=integer(1, 65535), nonStandardData=optional(NonStandardParameter)
).extensible()
CallModel = choice(direct=NULL, gatekeeperRouted=NULL).extensible()
AdmissionRequest = sequence(
    requestSeqNum=integer(1, 65535),
    callType=CallType,
    callModel=optional(CallModel),
    endpointIdentifier=characters(16, 1, 128),
    destinationInfo=optional(list_of(AliasAddress)),
    destCallSignalAddress=optional(TransportAddress),
    destExtraCallInfo=optional(list_of(AliasAddress)),
    srcInfo=list_of(AliasAddress),
    srcCallSignalAddress=optional(TransportAddress),
    bandWidth=integer(0, 4294967295),
    callReferenceValue=integer(0, 65535),
    nonStandardData=optional(NonStandardParameter),
    callServices=optional(QseriesOptions),
    conferenceID=octets(16),
    activeMC=BOOLEAN,
    answerCall=BOOLEAN,
).extensible()
AdmissionConfirm = sequence(
    requestSeqNum=integer(1, 65535),
    bandWidth=integer(0, 4294967295),
    callModel=CallModel,
    destCallSignalAddress=TransportAddress,
    irrFrequency=optional(integer(1, 65535)),
    nonStandardData=optional(NonStandardParameter),
).extensible()
LocationRequest = sequence(
    requestSeqNum=integer(1, 65535),
    endpointIdentifier=optional(characters(16, 1, 128)),
    destinationInfo=list_of(AliasAddress),
    nonStandardData=optional(NonStandardParameter),
    replyAddress=TransportAddress,
).extensible()
LocationConfirm = sequence(
    requestSeqNum=integer(1, 65535),
    callSignalAddress=TransportAddress,
    rasAddress=TransportAddress,
    nonStandardData=optional(NonStandardParameter),
).extensible()
RasMessage = choice(
    gatekeeperRequest=GatekeeperRequest,
    gatekeeperConfirm=GatekeeperConfirm,
    gatekeeperReject=UNREAD,
    registrationRequest=RegistrationRequest,
    registrationConfirm=RegistrationConfirm,
    registrationReject=RegistrationReject,
    unregistrationRequest=UnregistrationRequest,
    unregistrationConfirm=UnregistrationConfirm,
    unregistrationReject=UNREAD,
    admissionRequest=AdmissionRequest,
    admissionConfirm=AdmissionConfirm,
    admissionReject=UNREAD,
    bandwidthRequest=UNREAD,
    bandwidthConfirm=UNREAD,
    bandwidthReject=UNREAD,
    disengageRequest=UNREAD,
    disengageConfirm=UNREAD,
    disengageReject=UNREAD,
    locationRequest=LocationRequest,
    locationConfirm=LocationConfirm,
    locationReject=UNREAD,
    infoRequest=UNREAD,
    infoRequestResponse=UNREAD,
    nonStandardMessage=UNREAD,
    unknownMessageResponse=UNREAD,
).extensible()
