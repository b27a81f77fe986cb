"""H.245 version 13, annex A (ASN.1): logical channels, as far as addresses need them.

The names are those of the recommendation. What is left out lies behind everything that is read: additions of later
versions, and whole messages without addresses.
"""

from __future__ import annotations

from fwhelpers.sansio.per import (
    BOOLEAN,
    NULL,
    OBJECT_IDENTIFIER,
    UNREAD,
    characters,
    choice,
    integer,
    list_of,
    octets,
    optional,
    sequence,
)

NonStandardIdentifier = choice(
    object=OBJECT_IDENTIFIER,
    h221NonStandard=sequence(
        t35CountryCode=integer(0, 255),
        t35Extension=integer(0, 255),
        manufacturerCode=integer(0, 65535),
    ),
)
NonStandardParameter = sequence(nonStandardIdentifier=NonStandardIdentifier, data=octets())
H261VideoCapability = sequence(
    qcifMPI=optional(integer(1, 4)),
    cifMPI=optional(integer(1, 4)),
    temporalSpatialTradeOffCapability=BOOLEAN,
    maxBitRate=integer(1, 19200),
    stillImageTransmission=BOOLEAN,
).extensible()
H262VideoCapability = sequence(
    profileAndLevel_SPatML=BOOLEAN,
    profileAndLevel_MPatLL=BOOLEAN,
    profileAndLevel_MPatML=BOOLEAN,
    profileAndLevel_MPatH_14=BOOLEAN,
    profileAndLevel_MPatHL=BOOLEAN,
    profileAndLevel_SNRatLL=BOOLEAN,
    profileAndLevel_SNRatML=BOOLEAN,
    profileAndLevel_SpatialatH_14=BOOLEAN,
    profileAndLevel_HPatML=BOOLEAN,
    profileAndLevel_HPatH_14=BOOLEAN,
    profileAndLevel_HPatHL=BOOLEAN,
    videoBitRate=optional(integer(0, 1073741823)),
    vbvBufferSize=optional(integer(0, 262143)),
    samplesPerLine=optional(integer(0, 16383)),
    linesPerFrame=optional(integer(0, 16383)),
    framesPerSecond=optional(integer(0, 15)),
    luminanceSampleRate=optional(integer(0, 4294967295)),
    videoBadMBsCap=BOOLEAN,
)
H263VideoCapability = sequence(
    sqcifMPI=optional(integer(1, 32)),
    qcifMPI=optional(integer(1, 32)),
    cifMPI=optional(integer(1, 32)),
    cif4MPI=optional(integer(1, 32)),
    cif16MPI=optional(integer(1, 32)),
    maxBitRate=integer(1, 192400),
    unrestrictedVector=BOOLEAN,
    arithmeticCoding=BOOLEAN,
    advancedPrediction=BOOLEAN,
    pbFrames=BOOLEAN,
    temporalSpatialTradeOffCapability=BOOLEAN,
    hrd_B=optional(integer(0, 524287)),
    bppMaxKb=optional(integer(0, 65535)),
).extensible()
IS11172VideoCapability = sequence(
    constrainedBitstream=BOOLEAN,
    videoBitRate=optional(integer(0, 1073741823)),
    vbvBufferSize=optional(integer(0, 262143)),
    samplesPerLine=optional(integer(0, 16383)),
    linesPerFrame=optional(integer(0, 16383)),
    pictureRate=optional(integer(0, 15)),
    luminanceSampleRate=optional(integer(0, 4294967295)),
).extensible()
VideoCapability = choice(
    nonStandard=NonStandardParameter,
    h261VideoCapability=H261VideoCapability,
    h262VideoCapability=H262VideoCapability,
    h263VideoCapability=H263VideoCapability,
    is11172VideoCapability=IS11172VideoCapability,
).extensible()
IS11172AudioCapability = sequence(
    audioLayer1=BOOLEAN,
    audioLayer2=BOOLEAN,
    audioLayer3=BOOLEAN,
    audioSampling32k=BOOLEAN,
    audioSampling44k1=BOOLEAN,
    audioSampling48k=BOOLEAN,
    singleChannel=BOOLEAN,
    twoChannels=BOOLEAN,
    bitRate=integer(1, 448),
).extensible()
IS13818AudioCapability = sequence(
    audioLayer1=BOOLEAN,
    audioLayer2=BOOLEAN,
    audioLayer3=BOOLEAN,
    audioSampling16k=BOOLEAN,
    audioSampling22k05=BOOLEAN,
    audioSampling24k=BOOLEAN,
    audioSampling32k=BOOLEAN,
    audioSampling44k1=BOOLEAN,
    audioSampling48k=BOOLEAN,
    singleChannel=BOOLEAN,
    twoChannels=BOOLEAN,
    threeChannels2_1=BOOLEAN,
    threeChannels3_0=BOOLEAN,
    fourChannels2_0_2_0=BOOLEAN,
    fourChannels2_2=BOOLEAN,
    fourChannels3_1=BOOLEAN,
    fiveChannels3_0_2_0=BOOLEAN,
    fiveChannels3_2=BOOLEAN,
    lowFrequencyEnhancement=BOOLEAN,
    multilingual=BOOLEAN,
    bitRate=integer(1, 1130),
).extensible()
AudioCapability = choice(
    nonStandard=NonStandardParameter,
    g711Alaw64k=integer(1, 256),
    g711Alaw56k=integer(1, 256),
    g711Ulaw64k=integer(1, 256),
    g711Ulaw56k=integer(1, 256),
    g722_64k=integer(1, 256),
    g722_56k=integer(1, 256),
    g722_48k=integer(1, 256),
    g7231=sequence(maxAl_sduAudioFrames=integer(1, 256), silenceSuppression=BOOLEAN),
    g728=integer(1, 256),
    g729=integer(1, 256),
    g729AnnexA=integer(1, 256),
    is11172AudioCapability=IS11172AudioCapability,
    is13818AudioCapability=IS13818AudioCapability,
).extensible()
DataProtocolCapability = choice(
    nonStandard=NonStandardParameter,
    v14buffered=NULL,
    v42lapm=NULL,
    hdlcFrameTunnelling=NULL,
    h310SeparateVCStack=NULL,
    h310SingleVCStack=NULL,
    transparent=NULL,
).extensible()
T84Profile = choice(
    t84Unrestricted=NULL,
    t84Restricted=sequence(
        qcif=BOOLEAN,
        cif=BOOLEAN,
        ccir601Seq=BOOLEAN,
        ccir601Prog=BOOLEAN,
        hdtvSeq=BOOLEAN,
        hdtvProg=BOOLEAN,
        g3FacsMH200x100=BOOLEAN,
        g3FacsMH200x200=BOOLEAN,
        g4FacsMMR200x100=BOOLEAN,
        g4FacsMMR200x200=BOOLEAN,
        jbig200x200Seq=BOOLEAN,
        jbig200x200Prog=BOOLEAN,
        jbig300x300Seq=BOOLEAN,
        jbig300x300Prog=BOOLEAN,
        digPhotoLow=BOOLEAN,
        digPhotoMedSeq=BOOLEAN,
        digPhotoMedProg=BOOLEAN,
        digPhotoHighSeq=BOOLEAN,
        digPhotoHighProg=BOOLEAN,
    ).extensible(),
)
DataApplicationCapability = sequence(
    application=choice(
        nonStandard=NonStandardParameter,
        t120=DataProtocolCapability,
        dsm_cc=DataProtocolCapability,
        userData=DataProtocolCapability,
        t84=sequence(t84Protocol=DataProtocolCapability, t84Profile=T84Profile),
        t434=DataProtocolCapability,
        h224=DataProtocolCapability,
        nlpid=sequence(nlpidProtocol=DataProtocolCapability, nlpidData=octets()),
        dsvdControl=NULL,
        h222DataPartitioning=DataProtocolCapability,
    ).extensible(),
    maxBitRate=integer(0, 4294967295),
).extensible()
EncryptionMode = choice(nonStandard=NonStandardParameter, h233Encryption=NULL).extensible()
DataType = choice(
    nonStandard=NonStandardParameter,
    nullData=NULL,
    videoData=VideoCapability,
    audioData=AudioCapability,
    data=DataApplicationCapability,
    encryptionData=EncryptionMode,
).extensible()
H222LogicalChannelParameters = sequence(
    resourceID=integer(0, 65535),
    subChannelID=integer(0, 8191),
    pcr_pid=optional(integer(0, 8191)),
    programDescriptors=optional(octets()),
    streamDescriptors=optional(octets()),
).extensible()
H223LogicalChannelParameters = sequence(
    adaptationLayerType=choice(
        nonStandard=NonStandardParameter,
        al1Framed=NULL,
        al1NotFramed=NULL,
        al2WithoutSequenceNumbers=NULL,
        al2WithSequenceNumbers=NULL,
        al3=sequence(controlFieldOctets=integer(0, 2), sendBufferSize=integer(0, 16777215)),
    ).extensible(),
    segmentableFlag=BOOLEAN,
).extensible()
CRCLength = choice(crc8bit=NULL, crc16bit=NULL, crc32bit=NULL).extensible()
V76HDLCParameters = sequence(
    crcLength=CRCLength, n401=integer(1, 4095), loopbackTestProcedure=BOOLEAN
).extensible()
V75Parameters = sequence(audioHeaderPresent=BOOLEAN).extensible()
V76LogicalChannelParameters = sequence(
    hdlcParameters=V76HDLCParameters,
    suspendResume=choice(
        noSuspendResume=NULL, suspendResumewAddress=NULL, suspendResumewoAddress=NULL
    ).extensible(),
    uIH=BOOLEAN,
    mode=choice(
        eRM=sequence(
            windowSize=integer(1, 127),
            recovery=choice(rej=NULL, sREJ=NULL, mSREJ=NULL).extensible(),
        ).extensible(),
        uNERM=NULL,
    ).extensible(),
    v75Parameters=V75Parameters,
).extensible()
UnicastAddress = choice(
    iPAddress=sequence(network=octets(4), tsapIdentifier=integer(0, 65535)).extensible(),
    iPXAddress=sequence(node=octets(6), netnum=octets(4), tsapIdentifier=octets(2)).extensible(),
    iP6Address=sequence(network=octets(16), tsapIdentifier=integer(0, 65535)).extensible(),
    netBios=octets(16),
    iPSourceRouteAddress=sequence(
        routing=choice(strict=NULL, loose=NULL),
        network=octets(4),
        tsapIdentifier=integer(0, 65535),
        route=list_of(octets(4)),
    ).extensible(),
).extensible()
MulticastAddress = choice(
    iPAddress=sequence(network=octets(4), tsapIdentifier=integer(0, 65535)).extensible(),
    iP6Address=sequence(network=octets(16), tsapIdentifier=integer(0, 65535)).extensible(),
).extensible()
TransportAddress = choice(
    unicastAddress=UnicastAddress, multicastAddress=MulticastAddress
).extensible()
TerminalLabel = sequence(mcuNumber=integer(0, 192), terminalNumber=integer(0, 192)).extensible()
H2250LogicalChannelParameters = sequence(
    nonStandard=optional(list_of(NonStandardParameter)),
    sessionID=integer(0, 255),
    associatedSessionID=optional(integer(1, 255)),
    mediaChannel=optional(TransportAddress),
    mediaGuaranteedDelivery=optional(BOOLEAN),
    mediaControlChannel=optional(TransportAddress),
    mediaControlGuaranteedDelivery=optional(BOOLEAN),
    silenceSuppression=optional(BOOLEAN),
    destination=optional(TerminalLabel),
    dynamicRTPPayloadType=optional(integer(96, 127)),
    mediaPacketization=optional(choice(h261aVideoPacketization=NULL).extensible()),
).extensible()
Q2931Address = sequence(
    address=choice(
        internationalNumber=characters(4, 1, 16), nsapAddress=octets(1, 20)
    ).extensible(),
    subaddress=optional(octets(1, 20)),
).extensible()
NetworkAccessParameters = sequence(
    distribution=optional(choice(unicast=NULL, multicast=NULL).extensible()),
    networkAddress=choice(
        q2931Address=Q2931Address,
        e164Address=characters(4, 1, 128),
        localAreaAddress=TransportAddress,
    ).extensible(),
    associateConference=BOOLEAN,
    externalReference=optional(octets(1, 255)),
).extensible()
OpenLogicalChannel = sequence(
    forwardLogicalChannelNumber=integer(1, 65535),
    forwardLogicalChannelParameters=sequence(
        portNumber=optional(integer(0, 65535)),
        dataType=DataType,
        multiplexParameters=choice(
            h222LogicalChannelParameters=H222LogicalChannelParameters,
            h223LogicalChannelParameters=H223LogicalChannelParameters,
            v76LogicalChannelParameters=V76LogicalChannelParameters,
        ).extensible(h2250LogicalChannelParameters=H2250LogicalChannelParameters),
    ).extensible(),
    reverseLogicalChannelParameters=optional(
        sequence(
            dataType=DataType,
            multiplexParameters=optional(
                choice(
                    h223LogicalChannelParameters=H223LogicalChannelParameters,
                    v76LogicalChannelParameters=V76LogicalChannelParameters,
                ).extensible(h2250LogicalChannelParameters=H2250LogicalChannelParameters)
            ),
        ).extensible()
    ),
).extensible(separateStack=NetworkAccessParameters)
CloseLogicalChannel = sequence(
    forwardLogicalChannelNumber=integer(1, 65535), source=choice(user=NULL, lcse=NULL)
).extensible()
RequestMessage = choice(
    nonStandard=UNREAD,
    masterSlaveDetermination=UNREAD,
    terminalCapabilitySet=UNREAD,
    openLogicalChannel=OpenLogicalChannel,
    closeLogicalChannel=CloseLogicalChannel,
    requestChannelClose=UNREAD,
    multiplexEntrySend=UNREAD,
    requestMultiplexEntry=UNREAD,
    requestMode=UNREAD,
    roundTripDelayRequest=UNREAD,
    maintenanceLoopRequest=UNREAD,
).extensible()
H2250LogicalChannelAckParameters = sequence(
    nonStandard=optional(list_of(NonStandardParameter)),
    sessionID=optional(integer(1, 255)),
    mediaChannel=optional(TransportAddress),
    mediaControlChannel=optional(TransportAddress),
    dynamicRTPPayloadType=optional(integer(96, 127)),
).extensible()
OpenLogicalChannelAck = sequence(
    forwardLogicalChannelNumber=integer(1, 65535),
    reverseLogicalChannelParameters=optional(
        sequence(
            reverseLogicalChannelNumber=integer(1, 65535),
            portNumber=optional(integer(0, 65535)),
            multiplexParameters=optional(
                choice(h222LogicalChannelParameters=H222LogicalChannelParameters).extensible(
                    h2250LogicalChannelParameters=H2250LogicalChannelParameters
                )
            ),
        ).extensible()
    ),
).extensible(
    separateStack=NetworkAccessParameters,
    forwardMultiplexAckParameters=choice(
        h2250LogicalChannelAckParameters=H2250LogicalChannelAckParameters
    ).extensible(),
)
OpenLogicalChannelReject = sequence(
    forwardLogicalChannelNumber=integer(1, 65535),
    cause=choice(
        unspecified=NULL,
        unsuitableReverseParameters=NULL,
        dataTypeNotSupported=NULL,
        dataTypeNotAvailable=NULL,
        unknownDataType=NULL,
        dataTypeALCombinationNotSupported=NULL,
    ).extensible(),
).extensible()
CloseLogicalChannelAck = sequence(forwardLogicalChannelNumber=integer(1, 65535)).extensible()
ResponseMessage = choice(
    nonStandard=UNREAD,
    masterSlaveDeterminationAck=UNREAD,
    masterSlaveDeterminationReject=UNREAD,
    terminalCapabilitySetAck=UNREAD,
    terminalCapabilitySetReject=UNREAD,
    openLogicalChannelAck=OpenLogicalChannelAck,
    openLogicalChannelReject=OpenLogicalChannelReject,
    closeLogicalChannelAck=CloseLogicalChannelAck,
    requestChannelCloseAck=UNREAD,
    requestChannelCloseReject=UNREAD,
    multiplexEntrySendAck=UNREAD,
    multiplexEntrySendReject=UNREAD,
    requestMultiplexEntryAck=UNREAD,
    requestMultiplexEntryReject=UNREAD,
    requestModeAck=UNREAD,
    requestModeReject=UNREAD,
    roundTripDelayResponse=UNREAD,
    maintenanceLoopAck=UNREAD,
    maintenanceLoopReject=UNREAD,
).extensible()
EndSessionCommand = choice(
    nonStandard=NonStandardParameter,
    disconnect=NULL,
    gstnOptions=choice(
        telephonyMode=NULL, v8bis=NULL, v34DSVD=NULL, v34DuplexFAX=NULL, v34H324=NULL
    ).extensible(),
).extensible()
CommandMessage = choice(
    nonStandard=UNREAD,
    maintenanceLoopOffCommand=UNREAD,
    sendTerminalCapabilitySet=UNREAD,
    encryptionCommand=UNREAD,
    flowControlCommand=UNREAD,
    endSessionCommand=EndSessionCommand,
    miscellaneousCommand=UNREAD,
).extensible()
MultimediaSystemControlMessage = choice(
    request=RequestMessage, response=ResponseMessage, command=CommandMessage, indication=UNREAD
).extensible()
